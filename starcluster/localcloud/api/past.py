"""Eventual consistency on order: descriptions that tell the state of a while ago."""

from __future__ import annotations

import pickle
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from starcluster.localcloud.api.store import dump

KEPT = 2000


class Past:
    """Earlier states, kept only while a lag is set. Used with the cloud's lock held."""

    def __init__(self, collect: Callable[[], Any]) -> None:
        self._collect = collect
        self._states: deque[tuple[float, bytes]] = deque(maxlen=KEPT)
        self.lag = 0.0

    def set_lag(self, seconds: float) -> None:
        """Have descriptions lag so many wall seconds behind; 0 ends it."""
        self.lag = max(0.0, seconds)
        self._states.clear()
        self.note()

    def note(self) -> None:
        """Something may have changed: remember it."""
        if self.lag:
            self._states.append((time.time(), dump(self._collect())))

    def look(self) -> Any | None:
        """The state of `lag` seconds ago, or the oldest that is remembered; None without a lag."""
        if not self.lag or not self._states:
            return None
        goal = time.time() - self.lag
        while len(self._states) > 1 and self._states[1][0] <= goal:
            self._states.popleft()
        return pickle.loads(self._states[0][1])
