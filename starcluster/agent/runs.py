"""The attempts at the command on this instance, as their keepers wrote them down."""

from __future__ import annotations

import os
import pwd
import re
import signal
import subprocess
import time
from typing import Any

from starcluster.agent import files, keeper, processes
from starcluster.agent.launcher import launcher
from starcluster.agent.logfile import LIMIT, PIPE
from starcluster.agent.places import Places

_START_LIMIT = 20.0  # a keeper that wrote nothing by then did not start
_PROGRESS = re.compile(rb"progress:\s*(\d+)\s*/\s*(\d+)")
_MOST_AT_ONCE = 1 << 18
_ABOUT_THE_END: dict[str, Any] = {
    "setup_command": "",
    "checkpoint_command": "",
    "checkpoint_timeout": 0,
    "stop_timeout": 0,
    "stop_signal_to": "main",
    "rebalance": "checkpoint",
}


class Busy(Exception):
    """Another attempt still runs here."""


class Runs:
    def __init__(self, places: Places, name: str) -> None:
        self._places = places
        self._name = name

    def start(self, order: dict[str, Any]) -> bool:
        """Start the attempt unless it was started before; True when this call started it.

        Raises Busy while a process of another attempt lives, OSError when the log can not be made.
        """
        number = int(order["attempt"])
        folder = self._places.attempt(self._name, number)
        if os.path.exists(keeper.status_path(folder)):
            return False
        os.makedirs(folder, exist_ok=True)
        spec = dict(self._spec(number, order), pipe=os.path.join(folder, PIPE))
        files.write_json(keeper.spec_path(folder), spec)
        status = self._spawn(folder)
        if status == keeper.BUSY:
            raise Busy("another attempt of the command still runs on this node")
        if not os.path.exists(keeper.status_path(folder)):
            raise OSError("the keeper of the command did not start")
        return True

    def _spec(self, number: int, order: dict[str, Any]) -> dict[str, Any]:
        places, name = self._places, self._name
        log, checkpoints = places.log_file(name, number), places.checkpoints(name)
        os.makedirs(os.path.dirname(log), exist_ok=True)
        os.makedirs(checkpoints, exist_ok=True)
        run_as = str(order.get("run_as") or "")
        if run_as:
            _give(checkpoints, run_as)
        environment = dict(order.get("environment") or {})
        environment.update(
            {
                "STARCLUSTER_NODE": name,
                "STARCLUSTER_CLUSTER": str(order.get("cluster", "")),
                "STARCLUSTER_ATTEMPT": str(number),
                "STARCLUSTER_CHECKPOINT_DIR": checkpoints,
                "STARCLUSTER_NOTICE_FILE": places.notice,
            }
        )
        return {
            "attempt": number,
            "command": order["command"],
            "run_as": run_as,
            "workdir": order.get("workdir") or places.default_workdir,
            "environment": environment,
            "log": log,
            "log_limit": int(order.get("log_limit", LIMIT)),
            "spares": places.spares,
            **{key: order.get(key) or default for key, default in _ABOUT_THE_END.items()},
        }

    def spec(self, status: dict[str, Any] | None) -> dict[str, Any]:
        """With which words the attempt was started."""
        folder = self._places.attempt(self._name, int(status["attempt"])) if status else ""
        return files.read_json(keeper.spec_path(folder)) or {}

    def _spawn(self, folder: str) -> int | None:
        """A keeper in its own session; its exit status if it ended before it wrote its status."""
        process = subprocess.Popen(
            [*launcher(), "keep", folder, self._places.run_lock],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        end = time.monotonic() + _START_LIMIT
        while time.monotonic() < end:
            if os.path.exists(keeper.status_path(folder)):
                return None
            ended = process.poll()
            if ended is not None:
                return ended
            time.sleep(0.02)
        process.kill()
        return process.wait()

    def last(self) -> dict[str, Any] | None:
        """The newest attempt's status, None before the first."""
        numbers = self._numbers()
        for number in sorted(numbers, reverse=True):
            found = keeper.kept_status(self._places.attempt(self._name, number), self._places.spares).read()
            if found is not None:
                return found
        return None

    def _numbers(self) -> list[int]:
        try:
            return [int(word) for word in os.listdir(self._places.name_state(self._name)) if word.isdigit()]
        except OSError:
            return []

    def members(self, status: dict[str, Any] | None, boot: str) -> list[int]:
        """The living processes of an attempt; none of them outlived a reboot."""
        if not status or status.get("boot_id") != boot or "ended" in status:
            return []
        session = status["command"][0] if _same_session(status) else 0
        keeper_pid = status["keeper"][0] if processes.is_alive(status["keeper"]) else 0
        return processes.members(keeper_pid, session)

    def view(self, status: dict[str, Any] | None, boot: str) -> dict[str, Any] | None:
        """The attempt as the report tells it."""
        if status is None:
            return None
        seen = {key: status.get(key) for key in ("attempt", "boot_id", "started", "exit", "ended", "ended_at")}
        seen["stage"] = status.get("stage", "command")
        if "ended" in status:
            seen["state"] = "exited"
            return seen
        kept = status.get("boot_id") == boot and processes.is_alive(status["keeper"])
        ended = "main_exit" in status and seen["stage"] == "command"  # only then is the process table worth reading
        living = self.members(status, boot) if ended or not kept else []
        seen["state"] = "running" if kept or living else "lost"
        if ended and living:
            seen["lingering"] = len(living)
        return seen

    def signal(self, status: dict[str, Any] | None, boot: str, number: int) -> int:
        """Send a signal to every process of the attempt; how many there were."""
        living = self.members(status, boot)
        processes.signal_all(living, number)
        return len(living)

    def stop(self, status: dict[str, Any] | None, boot: str, *, seconds: float, everyone: bool = False) -> bool:
        """SIGTERM, wait so many seconds, then SIGKILL; True when SIGTERM was enough.

        First to the command's shells and programs; to what these started when they are gone, or half of the time is.
        """
        living = self.members(status, boot)
        first = [(pid, processes.start_of(pid)) for pid in (living if everyone else processes.mains(living))]
        processes.signal_all([pid for pid, _ in first], signal.SIGTERM)
        begun, told = time.monotonic(), everyone
        while self.members(status, boot):
            passed = time.monotonic() - begun
            if passed >= seconds:
                break
            if not told and (passed >= seconds / 2 or not any(processes.is_alive(list(one)) for one in first)):
                self.signal(status, boot, signal.SIGTERM)
                told = True
            time.sleep(0.05)
        else:
            return True
        end = time.monotonic() + 5
        while self.members(status, boot) and time.monotonic() < end:
            self.signal(status, boot, signal.SIGKILL)
            time.sleep(0.05)
        return False


def _same_session(status: dict[str, Any]) -> bool:
    """A pid may be used again after the command is gone; its session then is another's."""
    pid, start = status["command"]
    found = processes.entry(pid)
    return found is None or found.start == start


def _give(folder: str, user: str) -> None:
    try:
        who = pwd.getpwnam(user)
    except KeyError:
        return  # the keeper says so in the command's log
    os.chown(folder, who.pw_uid, who.pw_gid)


class Follower:
    """Reads what is new in an attempt's log and keeps the first and the last `progress: STEP/TOTAL`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.first: int | None = None
        self.step: int | None = None
        self.total: int | None = None
        self._file = 0
        self._offset = 0
        self._rest = b""

    def read(self) -> bool:
        """True when there was a new progress line."""
        try:
            with open(self.path, "rb") as log:
                about = os.fstat(log.fileno())
                if about.st_ino != self._file:  # the log was parted, a new file has its name
                    self._file, self._offset = about.st_ino, 0
                size = about.st_size
                if size < self._offset or size - self._offset > _MOST_AT_ONCE:
                    self._offset, self._rest = max(0, size - _MOST_AT_ONCE), b""
                log.seek(self._offset)
                text = log.read(_MOST_AT_ONCE)
        except OSError:
            return False
        self._offset += len(text)
        whole, _, self._rest = (self._rest + text).rpartition(b"\n")
        found = _PROGRESS.findall(whole)
        if found:
            if self.first is None:
                self.first = int(found[0][0])
            self.step, self.total = int(found[-1][0]), int(found[-1][1])
        return bool(found)
