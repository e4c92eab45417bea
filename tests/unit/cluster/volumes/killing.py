"""SIGKILL of a verb before or after each of its calls of EC2, in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.fakes.ec2 import FakeEc2

DOORS = ("templates", "volumes", "snapshots", "instances")


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


class Killing:
    """The driver dies before or after its n-th call of EC2, and is dead from then on."""

    def __init__(self, ec2: FakeEc2, at: int, *, after: bool) -> None:
        self.ec2, self.at, self.after = ec2, at, after
        self.calls = 0
        self.kept = {name: getattr(ec2, name) for name in DOORS}

    def __enter__(self) -> Killing:
        for name, door in self.kept.items():
            setattr(self.ec2, name, _Door(door, self))
        return self

    def __exit__(self, *_: object) -> None:
        for name, door in self.kept.items():
            setattr(self.ec2, name, door)

    def call(self, method: Callable[..., Any], words: Any, more: Any) -> Any:
        self.calls += 1
        if self.calls > self.at or (self.calls == self.at and not self.after):
            raise Killed
        answer = method(*words, **more)
        if self.calls == self.at:
            raise Killed
        return answer


class _Door:
    def __init__(self, door: Any, killing: Killing) -> None:
        self._door, self._killing = door, killing

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._door, name)
        return (lambda *words, **more: self._killing.call(found, words, more)) if callable(found) else found


def kills(job: Callable[[str], Any], ec2: FakeEc2) -> Iterator[str]:
    """All points of a job, until a run ends before its death comes; each run makes a volume of another name."""
    for after in (False, True):
        for at in range(1, 1000):
            name = f"copy-{at}-{after}"
            killed = False
            try:
                with Killing(ec2, at, after=after):
                    job(name)
            except Killed:
                killed = True
            yield name
            if not killed:
                break
