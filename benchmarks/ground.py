"""The ground that benchmarks of whole commands stand on: an own HOME and local cloud, and what that cloud has logged.

Nothing of the user's is read or written. The cloud ends with the benchmark, also when that is killed; its folder under
/tmp is removed unless the kill was one that cannot be heard.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from starcluster.localcloud import control
from starcluster.localcloud.hosts.client import Hosts, HostsError
from starcluster.localcloud.places import Places

ROOT = Path(__file__).resolve().parents[1]
PAUSE = 0.05
# EC2-like: small machines boot in less, and a disk is let go within the minute.
LIKE_EC2: Mapping[str, float] = {"boot_to_running": 40, "running_to_ssh": 20, "terminate": 55, "detach": 55}
Entry = dict[str, Any]
T = TypeVar("T")


class BenchmarkFailed(Exception):
    """What was to be measured did not happen."""


class Ground:
    """One local cloud and the commands of a user on it."""

    def __init__(self, folder: Path, *, speed: float, durations: Mapping[str, float]) -> None:
        self.folder, self.speed = folder, speed
        self.home = folder / "home"
        self.state = self.home / ".starcluster"
        self.cloud = self.state / "local"
        self.state.mkdir(parents=True)
        shutil.copy(ROOT / "config.example", self.state / "config")
        self.env = self._environment()
        self.ssh_up: dict[str, float] = {}
        self._ended = threading.Event()
        self._processes: list[subprocess.Popen[bytes]] = []
        control.up(self.cloud, speed=speed, owner_pid=os.getpid())
        self.ask("timing", **durations)
        self._watcher = threading.Thread(target=self._watch_hosts, name="watch-hosts", daemon=True)
        self._watcher.start()

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STARCLUSTER_"))}
        return {
            **kept,
            "HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "STARCLUSTER_HOME": str(self.state),
            "STARCLUSTER_LOCAL": str(self.cloud),
            "COLUMNS": "200",
            "PYTHONUNBUFFERED": "1",
        }

    def ask(self, op: str, **arguments: Any) -> dict[str, Any]:
        """One control operation of the cloud."""
        answer: dict[str, Any] = control.call(self.cloud, op, **arguments)
        return answer

    def starcluster(self, *words: str) -> float:
        """Run a verb that must succeed; its wall time in seconds."""
        began = time.perf_counter()
        done = subprocess.run(
            ["starcluster", *words], env=self.env, cwd=self.folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BenchmarkFailed(f"starcluster {' '.join(words)} ended {done.returncode}\n{done.stdout}{done.stderr}")
        return time.perf_counter() - began

    def cluster_with_volume(self, tag: str) -> None:
        """What the tutorial does before a training: a volume, and a master that has it as /home."""
        self.starcluster("createvolume", "--name", "home", "1", "us-east-1a")
        config = self.state / "config"
        config.write_text(config.read_text().replace("#VOLUMES = home", "VOLUMES = home"))
        self.starcluster("start", tag)

    def drive(
        self, *names: str, cluster: str, command: str, node: Mapping[str, str] | None = None, more: str = ""
    ) -> subprocess.Popen[bytes]:
        """Start one driver for these spot nodes; its words go to driver.log.

        `node`: further settings of each; `more`: further sections of train.cfg.
        """
        settings = {"cluster_name": cluster, "instance_type": "c5.large", "command": command, **(node or {})}
        values = [f"{key} = {value}" for key, value in settings.items()]
        lines = [line for name in names for line in (f"[{name}]", *values)]
        (self.folder / "train.cfg").write_text("\n".join(lines) + "\n" + more)
        with (self.folder / "driver.log").open("ab") as output:
            process = subprocess.Popen(
                # setpriv: a driver outlives whoever started it, as it should, but not a benchmark that was killed
                ["setpriv", "--pdeathsig", "KILL", sys.executable, str(ROOT / "aws_train.py"), *names],
                env=self.env, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        self._processes.append(process)
        return process

    # --- what has happened -----------------------------------------------------------------------------------

    def entries(self) -> list[Entry]:
        """The cloud's log so far: API calls and what the cloud did, with wall times."""
        return _json_lines(Places(self.cloud).calls)

    def journal(self, cluster: str, name: str) -> list[Entry]:
        """The driver's journal so far, each event with its `time` in seconds since the epoch."""
        found = _json_lines(self.state / "journal" / cluster / f"{name}.jsonl")
        return [{**one, "time": datetime.fromisoformat(one["at"]).timestamp()} for one in found]

    def wait(self, what: str, look: Callable[[], T | None], *, limit: float = 120) -> T:
        """Until there is something to see; with a driver that has ended meanwhile nothing will come."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            found = look()
            if found:
                return found
            if any(process.poll() is not None for process in self._processes):
                raise BenchmarkFailed(f"the driver ended before {what}\n{self._driver_log()}")
            time.sleep(PAUSE)
        raise BenchmarkFailed(f"not within {limit:g} s: {what}\n{self._driver_log()}")

    def _driver_log(self) -> str:
        return "".join((self.folder / "driver.log").read_text().splitlines(keepends=True)[-20:])

    def _watch_hosts(self) -> None:
        """When each node's SSH server began to accept: the hosts know it, the log does not tell it."""
        hosts = Hosts(Places(self.cloud).agent_socket)
        while not self._ended.wait(PAUSE):
            with suppress(HostsError):
                for instance_id, node in hosts.nodes().items():
                    if node.ready:
                        self.ssh_up.setdefault(instance_id, time.time())

    def close(self) -> None:
        self._ended.set()
        self._watcher.join()
        for process in self._processes:
            process.kill()
            process.wait()
        control.down(self.cloud, delete=True)


def _json_lines(path: Path) -> list[Entry]:
    """The whole lines of a file that may be in the middle of being written, or not be there yet."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


@contextmanager
def ground(*, speed: float, durations: Mapping[str, float] = LIKE_EC2) -> Iterator[Ground]:
    """A ground that is gone afterwards."""
    signal.signal(signal.SIGTERM, _leave)
    folder = Path(tempfile.mkdtemp(prefix="starcluster-benchmark-"))
    try:
        made = Ground(folder, speed=speed, durations=durations)
        try:
            yield made
        finally:
            made.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _leave(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def instant(entries: list[Entry], what: str, subject: str) -> float:
    """When the cloud did that to the subject for the last time."""
    found = [
        one["at"] for one in entries if one["kind"] == "event" and (one["what"], one["subject"]) == (what, subject)
    ]
    if not found:
        raise BenchmarkFailed(f"the cloud's log has no '{what}' of {subject}")
    return float(found[-1])


def covered(spans: list[tuple[float, float]], begin: float, end: float) -> float:
    """How much of the time from begin to end lies in at least one of the spans."""
    total, reached = 0.0, begin
    for first, last in sorted(spans):
        first, last = max(first, reached), min(last, end)
        if last > first:
            total, reached = total + last - first, last
    return total


def load() -> str:
    """What else the machine has to do: a figure from a busy one says little."""
    one, five, _ = os.getloadavg()
    return f"load {one:.1f} (1 min), {five:.1f} (5 min)"
