"""The same node as the cloud boots it: own disks, network and metadata, reached through the agent."""

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

DATA = """#cloud-config
disable_root: false
users: [default, {name: alice, ssh_authorized_keys: ["KEY"]}]
runcmd: [[sh, -c, "id -un > /root/ran"]]
"""
TOKEN = "-X PUT http://169.254.169.254/latest/api/token -H X-aws-ec2-metadata-token-ttl-seconds:60"
ASK = f'T=$(curl -sf {TOKEN}); curl -sf -H "X-aws-ec2-metadata-token: $T" http://169.254.169.254/latest'


class Cloud:
    """An agent with two nodes, i-1 and i-2, and an ssh configuration that reaches them by these names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        places = Places(folder)
        places.make()
        self.hosts = Hosts(places.agent_socket)
        self.key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        self.public = Path(f"{self.key}.pub").read_text().strip()
        words = [sys.executable, "-m", "starcluster.localcloud.hosts.agent", str(folder)]
        with (folder / "agent.log").open("ab") as log:
            self.agent = subprocess.Popen([*words, "--owner-pid", str(os.getpid())], stdout=log, stderr=log)
        self._wait_for_agent()
        self.config = folder / "config"
        self.config.write_text("".join(self._start(number) for number in (1, 2)))
        for number in (1, 2):
            assert self.hosts.wait_ready(f"i-{number}", timeout=30), self.hosts.console(f"i-{number}")

    def _wait_for_agent(self) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                self.hosts.ping()
                return
            except HostsError:
                assert self.agent.poll() is None, (self.folder / "agent.log").read_text()
                assert time.monotonic() < end
                time.sleep(0.02)

    def _start(self, number: int) -> str:
        name, address = f"i-{number}", f"172.31.0.1{number}"
        self.hosts.boot(
            NodeSpec(
                instance_id=name,
                private_ip=address,
                hostname=f"ip-172-31-0-1{number}",
                mac=f"0e:00:00:00:00:0{number}",
                authorized_keys=(self.public,),
                user_data=DATA.replace("KEY", self.public).encode(),
                metadata={"instance-id": name, "events": {"recommendations": {"rebalance": "{}"}}},
            )
        )
        proxy = f"{sys.executable} -m starcluster.localcloud.dial {self.folder} {address} %p"
        return (
            f"Host {name}\n  User root\n  IdentityFile {self.key}\n  IdentitiesOnly yes\n  LogLevel ERROR\n"
            f"  UserKnownHostsFile {self.folder}/known_hosts\n  StrictHostKeyChecking accept-new\n"
            f"  ProxyCommand {proxy}\n"
        )

    def run(self, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        words = (words[0], "-F", str(self.config), *words[1:])
        return subprocess.run(words, input=given, capture_output=True, timeout=60)

    def out(self, name: str, command: str) -> str:
        done = self.run("ssh", name, command)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    def end(self) -> None:
        try:
            self.hosts.quit()
            self.agent.wait(30)
        finally:
            self.agent.kill()
            self.agent.wait()


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    folder = Path(tempfile.mkdtemp(prefix="node-test-"))
    try:
        one = Cloud(folder)
        yield one
        one.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_the_users_of_the_user_data_are_there(cloud: Cloud) -> None:
    assert cloud.out("i-1", "cloud-init status --wait") == "status: done"
    assert cloud.out("i-1", "cat /root/ran; id -u ubuntu; hostname") == "root\n1000\nip-172-31-0-11"
    assert cloud.run("ssh", "-l", "alice", "i-1", "id -un; test -w /etc").returncode == 1


def test_the_console_lets_the_first_connection_be_checked(cloud: Cloud) -> None:
    told = cloud.hosts.console("i-2").split("-----BEGIN SSH HOST KEY KEYS-----\n")[1].split("\n-----END")[0]
    known = cloud.folder / "checked"
    known.write_text(f"i-2 {told}\n")
    strict = ("-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes")
    assert cloud.run("ssh", *strict, "i-2", "true").returncode == 0
    other = cloud.hosts.console("i-1").split("-----BEGIN SSH HOST KEY KEYS-----\n")[1].split("\n-----END")[0]
    known.write_text(f"i-2 {other}\n")
    assert cloud.run("ssh", *strict, "i-2", "true").returncode == 255


@pytest.mark.parametrize("mode", ["-s", "-O"], ids=["sftp", "legacy"])
def test_files_go_there_and_back(cloud: Cloud, tmp_path: Path, mode: str) -> None:
    data = tmp_path / "data"
    data.write_bytes(os.urandom(2_000_003))
    assert cloud.run("scp", mode, str(data), "alice@i-1:there").returncode == 0
    assert cloud.run("scp", mode, "alice@i-1:there", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back").read_bytes() == data.read_bytes()
    assert cloud.run("scp", mode, str(data), "alice@i-1:/etc/there").returncode == 1


def test_a_terminal_in_a_booted_node(cloud: Cloud) -> None:
    done = cloud.run("ssh", "-tt", "-l", "alice", "i-1", "tty; stat -c %U $(tty); exit 5")
    assert done.returncode == 5
    assert done.stdout.replace(b"\r", b"").startswith(b"/dev/pts/")
    assert b"alice" in done.stdout


def test_paramiko_is_served_like_openssh(cloud: Cloud, tmp_path: Path) -> None:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    key = paramiko.Ed25519Key.from_private_key_file(str(cloud.key))
    link = cloud.hosts.connect("172.31.0.11", 22)
    with link, client:
        client.connect("i-1", username="alice", pkey=key, sock=link, allow_agent=False, look_for_keys=False)
        stdin, stdout, stderr = client.exec_command("cat; echo err >&2; exit 6")
        stdin.write(b"x" * 1_000_000)
        stdin.channel.shutdown_write()
        assert len(stdout.read()) == 1_000_000
        assert (stderr.read(), stdout.channel.recv_exit_status()) == (b"err\n", 6)
        _, stdout, _ = client.exec_command("stty size", get_pty=True)
        assert stdout.read() == b"24 80\r\n"
        with client.open_sftp() as files:
            with files.open("made", "w") as file:
                file.write("here")
            files.symlink("made", "link")
            assert files.readlink("link") == "made"
            assert files.stat("link").st_size == 4
            with pytest.raises(PermissionError):
                files.open("/etc/made", "w")
            with pytest.raises(FileNotFoundError):
                files.stat("nothing")


def test_each_node_reads_its_own_metadata(cloud: Cloud) -> None:
    assert [cloud.out(name, f"{ASK}/meta-data/instance-id") for name in ("i-1", "i-2")] == ["i-1", "i-2"]
    assert cloud.out("i-1", f"{ASK}/meta-data/events/recommendations/rebalance") == "{}"
    assert cloud.run("ssh", "i-1", f"{ASK}/meta-data/spot/instance-action").returncode == 22
    assert cloud.run("ssh", "i-1", "curl -sf http://169.254.169.254/latest/meta-data/").returncode == 22


def test_one_node_reaches_another_by_ssh(cloud: Cloud) -> None:
    cloud.run("ssh", "i-1", "umask 77; cat > /root/.ssh/id_ed25519", given=cloud.key.read_bytes())
    cloud.out("i-1", "echo 172.31.0.12 node001 >> /etc/hosts")
    inner = "ssh -o StrictHostKeyChecking=accept-new node001 hostname"
    assert cloud.out("i-1", inner) == "ip-172-31-0-12"
    cloud.out("i-1", f"head -c 3000000 /dev/urandom > /root/x; scp -q /root/x node001:/root/ && {inner} >/dev/null")


def test_a_port_of_a_node_can_be_forwarded(cloud: Cloud) -> None:
    done = cloud.run("ssh", "-W", "172.31.0.12:22", "i-1")
    assert done.stdout.startswith(b"SSH-2.0")


def test_a_reboot_keeps_keys_and_users(cloud: Cloud) -> None:
    before = cloud.out("i-2", "cat /etc/ssh/ssh_host_ed25519_key.pub /proc/sys/kernel/random/boot_id; sync").split()
    cloud.out("i-2", "echo kept > /home/kept; rm -f /root/ran")
    cloud.hosts.reboot("i-2")
    assert cloud.hosts.wait_ready("i-2", timeout=30)
    after = cloud.out("i-2", "cat /etc/ssh/ssh_host_ed25519_key.pub /proc/sys/kernel/random/boot_id").split()
    assert after[:3] == before[:3]
    assert after[3] != before[3]
    assert cloud.out("i-2", "cloud-init status --wait; cat /home/kept; test ! -e /root/ran") == "status: done\nkept"
