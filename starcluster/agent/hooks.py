"""Executables that others put on the node, to be run at an event: /etc/starcluster/on-checkpoint.d and on-notice.d.

Each is given STARCLUSTER_SECONDS, what it may take, and is killed with all that it started when that is over.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from typing import Any

from starcluster.agent import processes

CHECKPOINT, NOTICE = "on-checkpoint.d", "on-notice.d"


class Hooks:
    """Runs those of one event side by side; what they print goes nowhere, they have logs of their own."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def found(self, event: str) -> list[str]:
        folder = os.path.join(self._folder, event)
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            return []
        return [path for path in (os.path.join(folder, name) for name in names) if os.access(path, os.X_OK)]

    def run(self, event: str, seconds: float) -> list[dict[str, Any]]:
        """[{"hook", "exit" (None = over its time), "seconds"}], in the order of their names."""
        paths = self.found(event)
        told: list[dict[str, Any]] = [{} for _ in paths]

        def one(place: int, path: str) -> None:
            told[place] = _run(path, seconds)

        threads = [threading.Thread(target=one, args=pair) for pair in enumerate(paths)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return told


def _run(path: str, seconds: float) -> dict[str, Any]:
    began = time.monotonic()
    name = os.path.basename(path)
    environment = dict(os.environ, STARCLUSTER_SECONDS=f"{max(0.0, seconds):.1f}")
    nothing = subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            [path], stdin=nothing, stdout=nothing, stderr=nothing, env=environment, start_new_session=True, cwd="/"
        )
    except OSError as error:
        return {"hook": name, "exit": None, "seconds": 0.0, "error": str(error)}
    try:
        ended = process.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        processes.signal_all(processes.members(0, process.pid), signal.SIGKILL)
        process.wait()
        ended = None
    return {"hook": name, "exit": ended, "seconds": round(time.monotonic() - began, 1)}
