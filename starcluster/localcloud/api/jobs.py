"""Work that is due later: a table of jobs that outlives the daemon, one timer, a few workers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

log = logging.getLogger(__name__)

WORKERS = 24
FOREVER = 3600.0

# A handler is given the job's subject; the seconds it returns are the time until it wants to be called again.
Handler = Callable[[str], float | None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One thing to do to one subject, not before `due` (seconds since the epoch)."""

    due: float
    kind: str
    subject: str


class Jobs:
    """Runs handlers of jobs when they are due; the table `pending` is the part to be stored.

    A job leaves the table when its handler has returned, so what a crash interrupts is done again:
    every handler may be repeated. At most one job of a kind and subject exists, and runs, at a time.
    """

    def __init__(self, lock: threading.RLock, pending: dict[tuple[str, str], Job]) -> None:
        self._wake = threading.Condition(lock)
        self._pending = pending
        self._running: set[tuple[str, str]] = set()
        self._handlers: dict[str, Handler] = {}
        self._workers = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="job")
        self._timer = threading.Thread(target=self._run, name="timer", daemon=True)
        self._stopped = False
        self.changed: Callable[[], None] = lambda: None

    def register(self, kind: str, handler: Handler) -> None:
        self._handlers[kind] = handler

    def at(self, due: float, kind: str, subject: str) -> None:
        """Have `kind` done to `subject` at `due`; replaces an earlier order of the same."""
        with self._wake:
            self._pending[kind, subject] = Job(due=due, kind=kind, subject=subject)
            self._wake.notify_all()

    def after(self, seconds: float, kind: str, subject: str) -> None:
        self.at(time.time() + seconds, kind, subject)

    def cancel(self, kind: str, subject: str) -> None:
        with self._wake:
            self._pending.pop((kind, subject), None)

    def is_pending(self, kind: str, subject: str) -> bool:
        with self._wake:
            return (kind, subject) in self._pending

    def start(self) -> None:
        self._timer.start()

    def stop(self) -> None:
        """Start nothing more; what runs is waited for."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        self._workers.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> None:
        with self._wake:
            while not self._stopped:
                now = time.time()
                for job in self._due(now):
                    self._running.add((job.kind, job.subject))
                    self._workers.submit(self._work, job)
                self._wake.wait(self._until_next(now))

    def _due(self, now: float) -> list[Job]:
        ready = [job for key, job in self._pending.items() if job.due <= now and key not in self._running]
        return sorted(ready, key=lambda job: job.due)

    def _until_next(self, now: float) -> float:
        waits = [job.due - now for key, job in self._pending.items() if key not in self._running]
        return max(0.001, min([FOREVER, *waits]))

    def _work(self, job: Job) -> None:
        again: float | None = None
        try:
            again = self._handlers[job.kind](job.subject)
        except Exception:
            log.exception("job %s of %s failed", job.kind, job.subject)
        with self._wake:
            key = (job.kind, job.subject)
            self._running.discard(key)
            if self._pending.get(key) is job:
                del self._pending[key]
                if again is not None:
                    self.at(time.time() + again, job.kind, job.subject)
            self._wake.notify_all()
        self.changed()
