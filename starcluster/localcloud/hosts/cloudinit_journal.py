"""What a node tells about its start: console, log, and the status that `cloud-init status` reads."""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from starcluster.localcloud.hosts.sshd_accounts import DEFAULT_PATH
from starcluster.localcloud.hosts.sshd_stop import held

POLL = 0.1
ENVIRONMENT = {"PATH": DEFAULT_PATH, "HOME": "/root", "LANG": "C.UTF-8"}


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Where everything of cloud-init lies below a root directory, which is / in a node."""

    root: Path = Path("/")

    def at(self, path: str) -> Path:
        """An absolute path of the node as a path of this process."""
        return self.root / path.lstrip("/")

    @property
    def lib(self) -> Path:
        return self.at("/var/lib/cloud")

    @property
    def instance(self) -> Path:
        return self.lib / "instance"

    @property
    def run(self) -> Path:
        return self.at("/run/cloud-init")

    @property
    def output(self) -> Path:
        return self.at("/var/log/cloud-init-output.log")

    @property
    def log(self) -> Path:
        return self.at("/var/log/cloud-init.log")

    @property
    def host_keys(self) -> Path:
        return self.at("/etc/ssh")


class Journal:
    """Lines for the console and the output log, programs whose output goes there, faults that count."""

    def __init__(self, paths: Paths, console: Callable[[str], None]) -> None:
        self.paths = paths
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self._console = console
        for place in (paths.output, paths.log):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        self._shown = paths.output.stat().st_size

    def line(self, text: str) -> None:
        """One line, or several, of the output log; the console gets them too."""
        with self.paths.output.open("a") as file:
            file.write(text.rstrip("\n") + "\n")
        self.show()

    def warn(self, text: str) -> None:
        """Something was asked for that was not done; the node comes up all the same."""
        self.warnings.append(text)
        self._note("WARNING", text)

    def error(self, text: str) -> None:
        """Something failed: `cloud-init status` will tell it."""
        self.errors.append(text)
        self._note("ERROR", text)

    def run(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, limit: float | None = None) -> int:
        """Run a program with its output going to the log and the console; its exit status, 127 without it."""
        with self.paths.output.open("ab") as log:
            try:
                child = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=env or ENVIRONMENT
                )
            except OSError as error:
                self.line(f"{argv[0]}: {error.strerror}")
                return 127
        return self._wait(child, limit)

    def _wait(self, child: subprocess.Popen[bytes], limit: float | None) -> int:
        waited = 0.0
        while True:
            try:
                status = child.wait(POLL)
                break
            except subprocess.TimeoutExpired:
                self.show()
                waited += POLL
                if held() is not None or (limit is not None and waited >= limit):
                    child.kill()
        self.show()
        return status if status >= 0 else 128 - status

    def show(self) -> None:
        """Bring the console up to what the output log holds, in whole lines."""
        with self.paths.output.open("rb") as file:
            file.seek(self._shown)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._shown += len(whole) + len(newline)
        if newline:
            self._console(whole.decode(errors="replace"))

    def status(self, state: str, stage: str) -> None:
        """Publish how far the start is, in cloud-init's own file and as words for the shell."""
        self.paths.run.mkdir(parents=True, exist_ok=True)
        details = {
            "v1": {
                "datasource": "DataSourceEc2Local",
                "stage": stage if state == "running" else None,
                "errors": self.errors,
                "recoverable_errors": {"WARNING": self.warnings} if self.warnings else {},
            }
        }
        _replace(self.paths.run / "status.json", json.dumps(details, indent=1) + "\n")
        if state != "running":
            _replace(self.paths.run / "result.json", json.dumps(details, indent=1) + "\n")
        faults = "".join(f"- {text}\n" for text in (*self.errors, *self.warnings))
        _replace(self.paths.run / "faults", faults)
        _replace(self.paths.run / "state", state + "\n")

    def _note(self, level: str, text: str) -> None:
        with self.paths.log.open("a") as file:
            file.write(f"{formatdate()} - cloud-init[{level}]: {text}\n")
        self.line(f"cloud-init: {level}: {text}")


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.replace(path)
