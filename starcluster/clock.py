"""The only place that tells the time and sleeps.

A local cloud runs its own durations `scale` times faster than EC2 (`starcluster local up --speed`), so the
limits and pauses of this program, which are written in EC2's seconds, are divided by the same number. What
happens inside a node is not made faster, so a limit is never cut below LEAST_LIMIT of wall time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

T = TypeVar("T")
LEAST_LIMIT = 20.0
PACE = 60.0  # of the cloud's seconds at most count as one of ours where a node's own work is waited for


class Clock:
    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def now(self) -> datetime:
        """Wall time, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment, in EC2's seconds: grows `scale` times faster than wall time."""
        return time.monotonic() * self.scale

    def end_of(self, limit: float) -> float:
        """The moment, as `monotonic` tells it, at which a wait of `limit` seconds that begins now is over."""
        return self.monotonic() + max(limit, min(limit, LEAST_LIMIT) * self.scale)

    def sleep(self, seconds: float) -> None:
        """Sleep so many of EC2's seconds."""
        time.sleep(max(seconds, 0) / self.scale)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for an event at most so many of EC2's seconds; True when it came."""
        return event.wait(max(seconds, 0) / self.scale)


def wait_until(condition: Callable[[], T | None], *, limit: float, pause: float, clock: Clock) -> T | None:
    """Ask until the answer is not None/False or `limit` of EC2's seconds have passed; None when they have."""
    end = clock.end_of(limit)
    while True:
        answer = condition()
        if answer:
            return answer
        if clock.monotonic() >= end:
            return None
        clock.sleep(pause)
