"""A clock that is stepped: by who sleeps, or by a test that moves `time`."""

from __future__ import annotations

from starcluster.clock import Clock


class StepClock(Clock):
    def __init__(self, time: float = 0.0) -> None:
        super().__init__()
        self.time = time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
