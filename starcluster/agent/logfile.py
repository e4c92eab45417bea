"""The log of one attempt: a pipe that the command writes to, and files of bounded size that it ends in.

    runs/NAME/ATTEMPT/log, log.1, log.2 ...     the newest first

The command holds the pipe open for reading as well, so that it gets no SIGPIPE when whoever empties the pipe is
killed: the next agent goes on emptying it.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading

LIMIT = 64 << 20
KEPT = 4
PIPE = "output"
_CHUNK = 1 << 16
_TICK = 0.1


class LogFile:
    """Appends to the log; a full one becomes log.1, and the oldest goes. limit 0: it grows without end."""

    def __init__(self, path: str, *, limit: int = LIMIT, kept: int = KEPT) -> None:
        self.path, self._limit, self._kept = path, limit, kept
        self._lost = 0

    def write(self, data: bytes) -> None:
        """A disk that is full or away costs these lines, which is said later; never the command."""
        note = f"starcluster: {self._lost} bytes could not be written here\n".encode() if self._lost else b""
        try:
            self._append(note + data)
        except OSError:
            self._lost += len(data)
        else:
            self._lost = 0

    def _append(self, data: bytes) -> None:
        with open(self.path, "ab") as out:
            size = out.tell()
        if self._limit and size and size + len(data) > self._limit:
            self._rotate()
        with open(self.path, "ab") as out:
            out.write(data)

    def _rotate(self) -> None:
        for number in range(self._kept - 1, -1, -1):
            older = f"{self.path}.{number + 1}"
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self.path}.{number}" if number else self.path, older)


def files_of(path: str) -> list[str]:
    """The log and its older parts as they are now, the newest first."""
    found, number = [path], 1
    while os.path.exists(f"{path}.{number}"):
        found.append(f"{path}.{number}")
        number += 1
    return found


class Pump(threading.Thread):
    """Empties the pipe of an attempt into its log until nobody holds the pipe open for writing."""

    def __init__(self, pipe: str, log: LogFile) -> None:
        super().__init__(name="log", daemon=True)
        self._log = log
        self._ending = threading.Event()
        self._reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        while True:
            if not select.select([self._reader], [], [], _TICK)[0]:
                if self._ending.is_set():
                    break
                continue
            data = os.read(self._reader, _CHUNK)
            if not data:
                break
            self._log.write(data)
        os.close(self._reader)

    def finish(self, limit: float) -> None:
        """End when the pipe is empty, also if a stranger holds it open; wait for that so many seconds."""
        self._ending.set()
        self.join(limit)


def redirect(pipe: str) -> None:
    """Make the pipe this process's output and errors, nothing its input."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    out = os.open(pipe, os.O_RDWR)
    for source, target in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    for spare in (nothing, out):
        if spare > 2:
            os.close(spare)
