"""What one driver remembers between its looks. All of it may be lost: the truth is in the cloud."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection
from dataclasses import dataclass

from starcluster.clock import Clock
from starcluster.model import Pool
from starcluster.supervisor.sights import Sights

AVOID = 180.0  # EC2's seconds that a pool without capacity is left alone
LEAST_AVOID = 6.0  # wall seconds: a fast local cloud makes no round of ours shorter, and the next look is to see it
LATELY = 1800.0  # EC2's seconds: refusals further apart are two shortages, not one
_INSTANCE = re.compile(r"i-[0-9a-f]{8,}")
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 300.0


@dataclass(frozen=True, kw_only=True)
class Pause:
    until: float
    because: str


class Memory:
    """Shared by the loop, the acts and the set-ups, each in threads of their own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._avoid: dict[Pool, float] = {}
        self._dry: dict[Pool, tuple[float, float]] = {}  # the first and the last refusal of a row
        self._pauses: dict[str, Pause] = {}
        self._failures: dict[str, int] = {}
        self._first: dict[tuple[str, ...], float] = {}
        self._values: dict[tuple[str, ...], tuple[str, float]] = {}
        self._watched: dict[tuple[str, ...], tuple[float, float]] = {}
        self._acts: dict[tuple[str, ...], float] = {}
        self._complaints: dict[str, str] = {}
        self._told: dict[str, set[tuple[Pool, str]]] = {}
        self.set_up_failures: dict[str, int] = {}
        self.set_up_errors: dict[str, str] = {}
        self.unusable: dict[str, int] = {}  # by name, instances in a row that could not be set up
        self.begun: set[str] = set()
        self.saved: set[str] = set()
        self.seen: dict[str, int] = {}
        self.sights = Sights()

    def since(self, *key: str, already: float = 0.0) -> float:
        """EC2's seconds since this was first asked for the key, and those that had passed `already` at that time."""
        now = self._clock.monotonic()
        with self._lock:
            return now - self._first.setdefault(key, now - already)

    def watched(self, *key: str, most: float) -> float:
        """EC2's seconds through which this was asked for the key again and again.

        Of a pause between two times of asking only so many seconds count: a driver that slept has watched nothing.
        """
        now = self._clock.monotonic()
        with self._lock:
            passed, last = self._watched.get(key, (0.0, now))
            passed += min(now - last, most)
            self._watched[key] = (passed, now)
        return passed

    def is_news(self, name: str, pool: Pool, code: str) -> bool:
        """Whether this refusal was not yet told for the name since its last launch."""
        with self._lock:
            told = self._told.setdefault(name, set())
            news = (pool, code) not in told
            told.add((pool, code))
            return news

    def forget_news(self, name: str) -> None:
        with self._lock:
            self._told.pop(name, None)

    def unchanged(self, key: tuple[str, ...], value: str) -> float:
        """EC2's seconds since the key was first seen to have this value; 0 when it had another one before."""
        now = self._clock.monotonic()
        with self._lock:
            known, since = self._values.get(key, ("", now))
            if known != value:
                since = now
            self._values[key] = (value, since)
        return now - since

    def note_set_up(self, instance_id: str) -> None:
        """We have just set it up and tagged it so."""
        with self._lock:
            self._first["set up", instance_id] = self._clock.monotonic()

    def was_set_up(self, instance_id: str, *, within: float) -> bool:
        """We have set it up in the last so many of EC2's seconds."""
        with self._lock:
            at = self._first.get(("set up", instance_id))
        return at is not None and self._clock.monotonic() - at < within

    def forget(self, *key: str) -> None:
        """The next `since` begins anew."""
        with self._lock:
            self._first.pop(key, None)
            self._watched.pop(key, None)

    def forget_others(self, instance_ids: Collection[str]) -> None:
        """What is remembered of instances that EC2 does not show any more is of no use."""

        def gone(word: str) -> bool:
            return bool(_INSTANCE.fullmatch(word)) and word not in instance_ids

        with self._lock:
            for facts in (self._first, self._values, self._watched):
                for key in [key for key in facts if any(map(gone, key))]:
                    del facts[key]
            for by_id in (self.set_up_failures, self.set_up_errors):
                for one in [one for one in by_id if gone(one)]:
                    del by_id[one]

    def avoid(self, pool: Pool, seconds: float = AVOID) -> None:
        now = self._clock.monotonic()
        with self._lock:
            first, last = self._dry.get(pool, (now, now))
            self._dry[pool] = (first if now - last <= LATELY else now, now)
            self._avoid[pool] = now + max(seconds, LEAST_AVOID * self._clock.scale)

    def gave(self, pool: Pool) -> None:
        """A machine came from there: its shortage is over."""
        with self._lock:
            self._dry.pop(pool, None)

    def dry_for(self) -> dict[Pool, float]:
        """For how long the pools that refused us lately have been doing so, in EC2's seconds."""
        now = self._clock.monotonic()
        with self._lock:
            return {pool: now - first for pool, (first, last) in self._dry.items() if now - last <= LATELY}

    def avoided(self) -> dict[Pool, float]:
        """The pools to leave alone, and for how long."""
        now = self._clock.monotonic()
        with self._lock:
            return {pool: until - now for pool, until in self._avoid.items() if until > now}

    def leave_alone(self, *act: str, seconds: float) -> None:
        """Do not do this again for so many of EC2's seconds."""
        with self._lock:
            self._acts[act] = self._clock.monotonic() + seconds

    def is_left_alone(self, *act: str) -> bool:
        return act in self.avoided_acts()

    def avoided_acts(self) -> set[tuple[str, ...]]:
        now = self._clock.monotonic()
        with self._lock:
            return {act for act, until in self._acts.items() if until > now}

    def back_off(self, name: str, because: str) -> int:
        """Pause the name, longer each time in a row; how many times it has been."""
        with self._lock:
            count = self._failures.get(name, 0) + 1
            self._failures[name] = count
            seconds = min(FIRST_PAUSE * 2 ** (count - 1), LONGEST_PAUSE)
            self._pauses[name] = Pause(until=self._clock.monotonic() + seconds, because=because)
            return count

    def went_well(self, name: str) -> None:
        with self._lock:
            self._failures.pop(name, None)
            self._pauses.pop(name, None)

    def pause(self, name: str) -> tuple[float, str]:
        """(EC2's seconds left, why); (0, "") when there is none."""
        with self._lock:
            found = self._pauses.get(name)
        left = found.until - self._clock.monotonic() if found else 0.0
        return (left, found.because) if found and left > 0 else (0.0, "")

    def complain(self, name: str, text: str) -> None:
        """Only the user can put this right; the next plan holds the name."""
        self._complaints[name] = text

    def complaint(self, name: str) -> str:
        return self._complaints.get(name, "")
