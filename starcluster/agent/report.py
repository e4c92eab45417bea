"""What the agent says of its node, and how it reaches the master: one small file on the shared volume."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from starcluster.agent import files
from starcluster.agent.home import Home
from starcluster.agent.ownlog import say
from starcluster.agent.places import Places

VERSION = 1
_TICK = 0.2
_BEAT = 10.0  # EC2's seconds between two reports when all is quiet
_LEAST_BEAT = 0.5


class Publisher:
    """Writes the report to the node's own disk and to the shared volume when it changed, or is due.

    It has a thread of its own: a write to a shared volume whose server died may hang for ever.
    """

    def __init__(
        self, local: str, shared: str, make: Callable[[], dict[str, Any]], home: Home, *, scale: float
    ) -> None:
        """`local`, `shared`: the two files."""
        self._local, self._shared, self._make, self._home = local, shared, make, home
        self._beat = max(_BEAT / scale, _LEAST_BEAT)
        self._last: dict[str, Any] = {}
        self._written = 0.0
        self.seq = int(time.time() * 1000)  # grows over restarts of the agent as well

    def run(self, ended: threading.Event, changed: threading.Event) -> None:
        while not ended.is_set():
            changed.wait(_TICK)
            changed.clear()
            try:
                self.publish()
            except Exception as error:  # noqa: BLE001  the thread's edge: a node that says nothing is taken for dead
                say(f"the report could not be made: {error!r}")

    def publish(self) -> None:
        report = self._make()
        if _news(report) != _news(self._last):
            self.seq += 1
        elif time.monotonic() - self._written < self._beat:
            return
        self._last = dict(report, seq=self.seq, at=time.time())
        self._written = time.monotonic()
        _put(self._local, self._last)
        failure = _put(self._shared, self._last)
        if failure is None:
            self._home.write_went_well()
        else:
            self._home.write_failed(failure)


def _put(path: str, report: dict[str, Any]) -> OSError | None:
    """Why it could not be written: the volume is full or away; then the driver asks the node itself."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        files.write_json(path, report, durable=False)
    except OSError as error:
        return error
    return None


def _news(report: dict[str, Any]) -> dict[str, Any]:
    """The part of a report that is worth waking somebody: all but how far the command is."""
    news = {key: value for key, value in report.items() if key not in ("seq", "at")}
    run = news.get("run")
    if run:
        news["run"] = {key: value for key, value in run.items() if key not in ("step", "total")}
    return news


def look(places: Places, order: dict[str, Any]) -> dict[str, Any]:
    """On the master: every named node's last report, at once or as soon as one of them has news.

    `seen` {name: seq}: what the driver knows; `wait`: how long (wall seconds) to wait for more than that.
    """
    wanted = [str(name) for name in order.get("names", [])]
    seen = order.get("seen") or {}
    end = time.monotonic() + float(order.get("wait") or 0)
    while True:
        found = {name: _read(places, name) for name in wanted}
        fresh = [name for name, one in found.items() if one["report"] and one["report"]["seq"] != seen.get(name)]
        if fresh or time.monotonic() >= end:
            return {"reports": found}
        time.sleep(0.1)


def _read(places: Places, name: str) -> dict[str, Any]:
    """A report, its age by the clock of the machine that holds the volume, and the last run's number."""
    path = places.report(name)
    report = files.read_json(path)
    try:
        age = max(0.0, time.time() - os.stat(path).st_mtime)
    except OSError:
        age = 0.0
    return {
        "report": report,
        "age": age,
        "last_run": last_run(places, name),
        "checkpoint": _has_checkpoint(places, name),
    }


def _has_checkpoint(places: Places, name: str) -> bool:
    """Whether the command left anything in the folder that it is given for that."""
    try:
        return bool(os.listdir(places.checkpoints(name)))
    except OSError:
        return False


def last_run(places: Places, name: str) -> int:
    try:
        return max((int(word) for word in os.listdir(places.runs(name)) if word.isdigit()), default=0)
    except OSError:
        return 0
