"""The hands that do a round's acts: those of different names side by side, those of one name one after the other.

An act that hangs (a node that does not answer) keeps its own name waiting and nobody else: the round goes on
without it, and the name is left alone until it has ended.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from enum import StrEnum

Job = Callable[[], None]


class Lane(StrEnum):
    """Jobs of one lane are begun in the order in which they were given."""

    ACTS = "acts"
    LAUNCHES = "launches"


class Crew:
    """`hands`: how many threads each lane may have; a lane without any does its jobs in the caller, at once."""

    def __init__(self, hands: dict[Lane, int] | None = None) -> None:
        self._hands = hands or {}
        self._jobs: dict[Lane, queue.SimpleQueue[tuple[str, Job] | None]] = {lane: queue.SimpleQueue() for lane in Lane}
        self._threads: dict[Lane, list[threading.Thread]] = {lane: [] for lane in Lane}
        self._busy: dict[str, Lane] = {}
        self._change = threading.Condition()
        self._watched = False
        self.late: Callable[[], None] = lambda: None  # called when a job ends that nobody waits for any more

    def is_busy(self, name: str) -> bool:
        """A job of this name has been given and has not ended."""
        with self._change:
            return name in self._busy

    @property
    def busy(self) -> int:
        """How many names have a job."""
        with self._change:
            return len(self._busy)

    def give(self, name: str, job: Job, lane: Lane = Lane.ACTS) -> None:
        """Have it done. The job deals with its own errors; a name that is busy may not be given another one."""
        if not self._hands.get(lane):
            job()
            return
        with self._change:
            if name in self._busy:
                raise ValueError(f"{name} is busy")
            self._busy[name] = lane
            wanted = min(self._hands[lane], sum(1 for one in self._busy.values() if one is lane))
            threads = self._threads[lane]
            if len(threads) < wanted:
                threads.append(threading.Thread(target=self._serve, args=(lane,), name=f"{lane}", daemon=True))
                threads[-1].start()
        self._jobs[lane].put((name, job))

    def settle(self, seconds: float) -> bool:
        """Wait until every job has ended, at most so many wall seconds; whether they have."""
        with self._change:
            self._watched = True
            try:
                return self._change.wait_for(lambda: not self._busy, seconds)
            finally:
                self._watched = False

    def close(self) -> None:
        """No more jobs: the threads end after those that were given."""
        for lane, threads in self._threads.items():
            for _ in threads:
                self._jobs[lane].put(None)
            threads.clear()

    def _serve(self, lane: Lane) -> None:
        while (given := self._jobs[lane].get()) is not None:
            name, job = given
            try:
                job()
            finally:
                self._ended(name)

    def _ended(self, name: str) -> None:
        with self._change:
            self._busy.pop(name, None)
            self._change.notify_all()
            watched = self._watched
        if not watched:
            self.late()
