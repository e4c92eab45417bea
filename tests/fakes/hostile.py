"""EC2 as an adversary: reads that lag behind writes, calls that fail before or after they were done, answers lost.

`History` keeps how every object has been, so that a read can be shown the past of each one for itself. `Gate` stands
between one driver and all that it calls: it counts the calls and lets the n-th one meet its `Fate`.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from starcluster import exception
from tests.fakes.ec2 import FakeEc2
from tests.fakes.trouble import fake_error

T = TypeVar("T")
CALL = 0.1  # seconds that a call takes


class Killed(BaseException):
    """SIGKILL: no handler of the product may catch it."""


class Fate(StrEnum):
    KILL_BEFORE = "killed before the call"
    KILL_AFTER = "killed after the call"
    LOST = "done, and the answer lost"
    OUTAGE = "5xx"
    THROTTLED = "throttled"
    EXPIRED = "the credentials are over"
    SHORTAGE = "no capacity"
    SLEEP = "the laptop sleeps for eight hours before the call"
    STALL = "the call takes ten minutes"
    OTHER = "the other driver does a round before the call"


_REFUSALS = {
    Fate.OUTAGE: "InternalError",
    Fate.THROTTLED: "RequestLimitExceeded",
    Fate.EXPIRED: "RequestExpired",
}
_BY_SSH = "ssh"
READS = ("find", "get", "group", "history", "on_demand", "ssh", "set-up")


class History:
    """How each object of one kind has been, and since when."""

    def __init__(self) -> None:
        self._times: dict[str, list[float]] = {}
        self._values: dict[str, list[Any]] = {}

    def note(self, now: float, objects: Mapping[str, Any]) -> None:
        for key, value in objects.items():
            values = self._values.setdefault(key, [])
            if not values or values[-1] is not value:
                values.append(value)
                self._times.setdefault(key, []).append(now)

    def at(self, key: str, moment: float) -> Any | None:
        """The object as it was; None before it was made."""
        index = bisect.bisect_right(self._times[key], moment)
        return self._values[key][index - 1] if index else None


class Lag:
    """How far behind reads are: `seconds` for those objects whose turn it is by `mask`, another part at each read."""

    def __init__(self) -> None:
        self.seconds, self.mask, self._reads = 0.0, 0, 0

    def view(self, history: History, now: float, objects: Mapping[str, Any]) -> dict[str, Any]:
        self._reads += 1
        seen = {}
        for number, key in enumerate(objects):
            late = self.mask >> ((number + self._reads) % 8) & 1
            value = history.at(key, now - self.seconds) if late else objects[key]
            if value is not None:
                seen[key] = value
        return seen


class Gate:
    """All calls of one driver. `watch(method, arguments)` is told of every write before it is done."""

    def __init__(
        self,
        *,
        passes: Callable[[float], None],
        sleeps: Callable[[float], None],
        other: Callable[[], None],
        watch: Callable[[str, tuple[Any, ...], dict[str, Any]], None],
        check: Callable[[], None],
    ) -> None:
        self._passes, self._sleeps, self._other, self._watch, self._check = passes, sleeps, other, watch, check
        self.expect({})

    def expect(self, fates: Mapping[int, Fate], on_writes: Mapping[int, Fate] | None = None) -> None:
        """What the next calls meet, by their numbers among all calls, or among those that change something."""
        self.calls, self.fates = 0, dict(fates)
        self.writes, self.on_writes = 0, dict(on_writes or {})

    def _fate(self, method: str) -> Fate | None:
        fate = self.fates.pop(self.calls, None)
        self.calls += 1
        if method.rpartition(".")[2] in READS:
            return fate
        self.writes += 1
        return fate or self.on_writes.pop(self.writes - 1, None)

    def call(self, method: str, do: Callable[..., T], *args: Any, **words: Any) -> T:
        fate = self._fate(method)
        self._passes(CALL)
        self._before(fate, method)
        self._watch(method, args, words)
        try:
            return do(*args, **words)
        finally:
            self._check()
            self._after(fate, method)

    def _before(self, fate: Fate | None, method: str) -> None:
        if fate is Fate.KILL_BEFORE:
            raise Killed
        if fate is Fate.SLEEP:
            self._sleeps(8 * 3600)
        elif fate is Fate.STALL:
            self._passes(600)
        elif fate is Fate.OTHER:
            self._other()
        elif fate is Fate.SHORTAGE and method == "instances.launch":
            raise fake_error("InsufficientInstanceCapacity")
        elif fate in _REFUSALS:
            raise exception.SSHConnectionError("refused") if method == _BY_SSH else fake_error(_REFUSALS[fate])

    def _after(self, fate: Fate | None, method: str) -> None:
        if fate is Fate.KILL_AFTER:
            raise Killed
        if fate is Fate.LOST:
            raise exception.SSHConnectionError("lost") if method == _BY_SSH else exception.TransientError("lost")


class _Door:
    """One of EC2's doors behind a gate; what it reads may be old."""

    def __init__(self, gate: Gate, name: str, inner: Any, view: Callable[[str], dict[str, Any]] | None) -> None:
        self._gate, self._name, self._inner, self._view = gate, name, inner, view

    def __getattr__(self, method: str) -> Callable[..., Any]:
        doing = getattr(self._inner, method)
        if self._view is not None and method in ("find", "get"):
            doing = self._of_old(doing)
        return lambda *args, **words: self._gate.call(f"{self._name}.{method}", doing, *args, **words)

    def _of_old(self, doing: Callable[..., T]) -> Callable[..., T]:
        def read(*args: Any, **words: Any) -> T:
            truth = self._inner.all
            assert self._view is not None
            self._inner.all = self._view(self._name)
            try:
                return doing(*args, **words)
            finally:
                self._inner.all = truth

        return read


class HostileEc2:
    """EC2 as one driver meets it."""

    def __init__(self, ec2: FakeEc2, gate: Gate, view: Callable[[str], dict[str, Any]]) -> None:
        self.instances = _Door(gate, "instances", ec2.instances, view)
        self.spot = _Door(gate, "spot", ec2.spot, view)
        self.templates = _Door(gate, "templates", ec2.templates, view)
        self.volumes = _Door(gate, "volumes", ec2.volumes, None)
        self.network = _Door(gate, "network", ec2.network, None)
        self.prices = _Door(gate, "prices", ec2.prices, None)
