"""The list of acknowledged records, kept where no death of a node can reach it, and what it is held against.

The writer tells into a file of the shared /home, which is on the master's volume, and this process reads it there as it
grows. It may be trusted: a line is written after fsync has returned, never before, so whatever is in the list was
promised; a line that is lost on the way would make the test milder by a record, not wrong; and since all attempts
append to one file, what an attempt finds stands behind all that those before it had acknowledged.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Found:
    """What an attempt found on the drive, and what had been promised by then.

    `torn`: bytes behind the last whole record; `control_lost`: records that the file without fsync lacks;
    `acked`: the last one acknowledged; `flushed`: that of an attempt that was asked to stop, None = it was not;
    `at`: when it was told, on this process's steady clock.
    """

    attempt: int
    records: int
    torn: int
    control_lost: int
    acked: int
    flushed: int | None
    at: float

    @property
    def lost(self) -> int:
        """Acknowledged records that are not there."""
        return max(0, self.acked - self.records)


class Account:
    """Takes the lines in; AssertionError for those that one writer at a time can not have written."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.found: list[Found] = []
        self.acked = 0
        self.done = False
        self._flushed: int | None = None

    @property
    def attempt(self) -> int:
        return self.found[-1].attempt if self.found else 0

    def hear(self, line: str, at: float) -> None:
        self.lines.append(line)
        kind, *numbers = line.split()
        attempt, number, *more = map(int, numbers)
        if kind == "found":
            assert attempt > self.attempt, f"after attempt {self.attempt}: {line}"
            self.found.append(self._found(attempt, number, *more, at=at))
            self._flushed, self.acked = None, number
            return
        assert attempt == self.attempt, f"two attempts write at once: {line}, while {self.attempt} has the drive"
        assert number == self.acked + (kind == "ack"), f"out of turn, after {self.acked}: {line}"
        self.acked = number
        self._flushed = number if kind == "flushed" else None
        self.done = kind == "done"

    def _found(self, attempt: int, records: int, torn: int, control_lost: int, *, at: float) -> Found:
        return Found(
            attempt=attempt,
            records=records,
            torn=torn,
            control_lost=control_lost,
            acked=self.acked,
            flushed=self._flushed,
            at=at,
        )


class Observer:
    """Reads what a process shows, a line at a time, in a thread of its own; `troubles`: what was wrong with it.

    The process leads a session: with it goes the ssh program that it has started.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.account = process, Account()
        self.troubles: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._thread.join(10)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._hear(line.rstrip("\n"))
        self.troubles.append("the observer has ended")

    def _hear(self, line: str) -> None:
        try:
            self.account.hear(line, time.monotonic())
        except (AssertionError, ValueError) as error:
            self.troubles.append(f"{line}: {error}")

    def has_heard(self, attempt: int, records: int) -> bool:
        """Whether this attempt or a later one has had so many records acknowledged."""
        assert not self.troubles, self.troubles
        account = self.account
        return account.attempt >= attempt and account.acked - account.found[-1].records >= records
