"""A real cloud of hosts for these tests: an agent of their own, in a folder of their own, gone with this process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from starcluster.localcloud.hosts.client import Hosts, HostsError, NodeSpec
from starcluster.localcloud.places import Places


class Rig:
    """A running agent and what the tests do with its nodes."""

    def __init__(self, folder: Path, owner_pid: int | None = None) -> None:
        self.places = Places(folder)
        self.places.make()
        self.hosts = Hosts(self.places.agent_socket)
        self.key = folder / "keys" / "local"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True)
        self.pkey = paramiko.Ed25519Key.from_private_key_file(str(self.key))
        self.logins: dict[tuple[str, str, str], paramiko.SSHClient] = {}
        self.owner_pid = owner_pid or os.getpid()
        self.agent = self.start_agent()
        self.number = 10
        self.numbers: dict[str, int] = {}

    def start_agent(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "starcluster.localcloud.hosts.agent", str(self.places.folder)]
        with (self.places.logs / "agent.log").open("ab") as log:
            self.agent = subprocess.Popen(
                [*command, "--owner-pid", str(self.owner_pid)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        end = time.monotonic() + 60
        while self.agent.poll() is None and time.monotonic() < end:
            try:
                if self.hosts.ping()["pid"] == self.agent.pid:
                    return self.agent
            except HostsError:
                time.sleep(0.02)
        raise AssertionError(f"the agent did not start: {self.log()}")

    def log(self) -> str:
        return (self.places.logs / "agent.log").read_text(errors="replace")

    def spec(self, instance_id: str, **changes: object) -> NodeSpec:
        number = self.numbers[instance_id]
        values = {
            "instance_id": instance_id,
            "private_ip": f"172.31.0.{number}",
            "public_ip": f"127.77.0.{number}",
            "hostname": f"ip-172-31-0-{number}",
            "mac": f"0e:00:00:00:00:{number:02x}",
            "authorized_keys": (self.key.with_suffix(".pub").read_text().strip(),),
            "user_data": b"#cloud-config\ndisable_root: false\n",
            "metadata": {"instance-id": instance_id},
        }
        return NodeSpec(**(values | changes))  # type: ignore[arg-type]

    def boot(self, instance_id: str, **changes: object) -> str:
        """A node that takes logins; its private address."""
        if instance_id not in self.numbers:
            self.number += 1
            self.numbers[instance_id] = self.number
        spec = self.spec(instance_id, **changes)
        self.hosts.boot(spec)
        assert self.hosts.wait_ready(instance_id, timeout=30), self.hosts.console(instance_id)
        return spec.private_ip

    def run(self, instance_id: str, command: str, *, user: str = "root") -> subprocess.CompletedProcess[str]:
        """A command in a node, over SSH; a connection is used again as long as the node's boot lasts."""
        channel = self._login(instance_id, user).get_transport().open_session()
        channel.settimeout(60)
        channel.exec_command(command)
        channel.shutdown_write()
        out, err = channel.makefile("rb"), channel.makefile_stderr("rb")
        texts = out.read().decode(), err.read().decode()
        return subprocess.CompletedProcess(command, channel.recv_exit_status(), *texts)

    def _login(self, instance_id: str, user: str) -> paramiko.SSHClient:
        name = (instance_id, user, self.hosts.nodes()[instance_id].boot_id)
        if name not in self.logins:
            client = paramiko.SSHClient()
            client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
            address = self.spec(instance_id).private_ip
            client.connect(address, username=user, pkey=self.pkey, sock=self.hosts.connect(address, 22))
            self.logins[name] = client
        return self.logins[name]

    def ok(self, instance_id: str, command: str, *, user: str = "root") -> str:
        """The output of a command that must succeed."""
        done = self.run(instance_id, command, user=user)
        assert done.returncode == 0, f"{command!r} ended {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def pid(self, instance_id: str) -> int:
        return self.hosts.nodes()[instance_id].pid

    def holder_pid(self) -> int:
        (pid,) = (pid for pid, words in naming(self.places.folder).items() if "hosts.holder" in words)
        return pid

    def end(self) -> None:
        """Ask the agent to quit; kill it if it does not."""
        for login in self.logins.values():
            login.close()
        try:
            self.hosts.quit()
            assert self.agent.wait(30) == 0, self.log()
        finally:
            self.agent.kill()
            self.agent.wait()


def naming(folder: Path) -> dict[int, str]:
    """The live processes with the folder in their command line, this one excepted."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words and int(entry.name) != os.getpid():
            found[int(entry.name)] = words
    return found


def leftovers(folder: Path) -> dict[str, object]:
    """Everything on this machine that has to do with the folder; empty when the cloud has left nothing."""
    loops = [
        line
        for line in subprocess.run(["losetup", "-a"], capture_output=True, text=True).stdout.splitlines()
        if str(folder) in line
    ]
    mounts = {
        entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit() and str(folder) in _mountinfo(entry)
    }
    found = {"processes": naming(folder), "loops": loops, "mounts": mounts}
    if Places(folder).sockets.exists():
        found["sockets"] = sorted(path.name for path in Places(folder).sockets.iterdir())
    return {name: value for name, value in found.items() if value}


def _mountinfo(entry: Path) -> str:
    try:
        return (entry / "mountinfo").read_text(errors="replace")
    except OSError:
        return ""


def gone(folder: Path, *, but: frozenset[str] = frozenset(), limit: float = 20) -> dict[str, object]:
    """What is left after waiting for the last of it to go; kinds named by `but` do not count."""
    end = time.monotonic() + limit
    while (left := leftovers(folder)).keys() - but and time.monotonic() < end:
        time.sleep(0.05)
    return {name: value for name, value in left.items() if name not in but}


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="hosts-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """One cloud for a module; at its end nothing of it may be left."""
    path = Path(tempfile.mkdtemp(prefix="hosts-test-"))
    made = Rig(path)
    network = os.readlink(f"/proc/{made.agent.pid}/ns/net")
    assert network != os.readlink("/proc/self/ns/net")
    try:
        yield made
    finally:
        made.end()
        left = gone(path)
        shutil.rmtree(path, ignore_errors=True)
    assert not left
    users = {_network(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    assert network not in users


def _network(entry: Path) -> str:
    try:
        return os.readlink(entry / "ns" / "net")
    except OSError:
        return ""
