"""The user's own checkpoint command, run beside the command it is to save."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from typing import Any

from starcluster.agent import keeper, processes
from starcluster.agent.launcher import launcher
from starcluster.agent.places import Places
from starcluster.agent.runs import Runs

_LET_GO = 5.0
_LONGEST = 600.0  # wall seconds, when nothing presses and no limit is set


class Checkpoint:
    """Runs one at a time; what it prints goes to the log of the attempt."""

    def __init__(self, places: Places, name: str, runs: Runs) -> None:
        self._places, self._name, self._runs = places, name, runs
        self._lock = threading.Lock()

    def take(self, status: dict[str, Any] | None, *, most: float = _LONGEST) -> dict[str, Any] | None:
        """{"exit" (None = over its time), "seconds", "attempt"}; None when there is no such command, or no time.

        It is given `checkpoint_timeout` seconds, at most `most`.
        """
        spec = self._runs.spec(status)
        if not status or not spec.get("checkpoint_command"):
            return None
        begun = time.monotonic()
        limit = min(most, float(spec.get("checkpoint_timeout") or most))
        if not self._lock.acquire(timeout=max(0.0, limit)):
            return {"exit": None, "seconds": round(limit, 1), "attempt": status["attempt"]}
        try:
            ended = self._run(status, limit - (time.monotonic() - begun))
        finally:
            self._lock.release()
        return {"exit": ended, "seconds": round(time.monotonic() - begun, 1), "attempt": status["attempt"]}

    def _run(self, status: dict[str, Any], limit: float) -> int | None:
        spec_path = keeper.spec_path(self._places.attempt(self._name, int(status["attempt"])))
        process = subprocess.Popen(
            [*launcher(), "beside", spec_path, str(status["command"][0])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        try:
            return process.wait(max(0.0, limit))
        except subprocess.TimeoutExpired:
            processes.signal_all(processes.members(0, process.pid), signal.SIGKILL)
            process.wait(_LET_GO)
            return None
