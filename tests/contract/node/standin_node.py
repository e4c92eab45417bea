"""A stand-in node and the real OpenSSH programs to talk to it."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
Result = subprocess.CompletedProcess[bytes]


class Node:
    """One stand-in node with a user, alice, who may log in with the same key as root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = folder / "key"
        if not self.key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        self.pid = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def public_key(self) -> str:
        return Path(f"{self.key}.pub").read_text().strip()

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def console(self) -> str:
        return (self.folder / "console").read_text()

    def boot(
        self, user_data: bytes = b"", *, instance_id: str = "i-1", first_boot: bool = True, ends: int = -1
    ) -> None:
        """Until it takes logins or, where `ends` is given, until it has ended with that status."""
        plan = {
            "user_data": base64.b64encode(user_data).decode(),
            "default_user": "ubuntu",
            "authorized_keys": [self.public_key],
            "instance_id": instance_id,
            "first_boot": first_boot,
        }
        (self.folder / "plan.json").write_text(json.dumps(plan))
        # dies with this process, and takes the whole node along
        words = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--net", "--uts"]
        words += ["--kill-child", sys.executable, str(HERE / "standin.py"), str(self.folder)]
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        ready = self._process.stdout.read(1)
        self._process.stdout.close()
        if ends >= 0:
            assert (ready, self._process.wait(20)) == (b"", ends), self.console
            self._process = None
            return
        if ready != b"u":
            self.stop()
            raise AssertionError(self.console)
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        self.pid = int(children.read_text())
        self._write_config()

    def _write_config(self) -> None:
        dial = f"nsenter --target {self.pid} --net {sys.executable} -I -S {HERE / 'dial.py'} 127.0.0.1 %p"
        (self.folder / "config").write_text(
            f"Host node\n  HostName 127.0.0.1\n  User root\n  IdentityFile {self.key}\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {self.folder}/known_hosts\n  HostKeyAlias {self.folder.name}\n"
            f"  StrictHostKeyChecking accept-new\n  LogLevel ERROR\n  ProxyCommand {dial}\n  SendEnv LC_* OTHER\n"
        )

    def signal(self, number: signal.Signals) -> int:
        """Send it to pid 1 and return the exit status of the node."""
        os.kill(self.pid, number)
        assert self._process is not None
        status = self._process.wait(20)
        self._process = None
        return status

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    # -- clients

    def words(self, program: str, *words: str) -> list[str]:
        return [program, "-F", str(self.folder / "config"), *words]

    def run(self, program: str, *words: str, given: bytes = b"", limit: float = 30, **more: object) -> Result:
        return subprocess.run(
            self.words(program, *words),
            input=given,
            capture_output=True,
            timeout=limit,
            **more,  # type: ignore[call-overload]
        )

    def ssh(self, command: str, *options: str, user: str = "root", given: bytes = b"", **more: object) -> Result:
        return self.run("ssh", "-l", user, *options, "node", command, given=given, **more)  # type: ignore[arg-type]

    def out(self, command: str, *options: str, user: str = "root") -> str:
        result = self.ssh(command, *options, user=user)
        assert result.returncode == 0, result.stderr
        return result.stdout.decode().strip()

    def wait_for_file(self, path: str, *, limit: float = 10) -> None:
        """Until a file is there, seen from outside."""
        end = time.monotonic() + limit
        while not os.path.exists(self.root / path):
            assert time.monotonic() < end, f"{path} never came"
            time.sleep(0.02)

    def wait_for(self, command: str, *, limit: float = 10) -> None:
        """Until a shell command succeeds in the node."""
        end = time.monotonic() + limit
        while self.ssh(command).returncode != 0:
            assert time.monotonic() < end, f"{command} never came true"
            time.sleep(0.05)
