"""What plugins print while hooks run. Their hooks must not fail because nobody reads it any more (`| head`)."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from starcluster.logger import write_what_fits

_STREAMS = ("stdout", "stderr")
_LOCK = threading.Lock()
_running = 0


class Guarded:
    """A stream whose reader, or terminal, may go away: what is written then is lost, as a line of the log is."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        try:
            write_what_fits(self.stream, text)
        except (OSError, ValueError):
            pass
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except (OSError, ValueError):
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def guarded_output() -> Iterator[None]:
    """Within it, in every thread, printing can not fail; hooks of several nodes run at once."""
    global _running
    with _LOCK:
        _running += 1
        for name in _STREAMS:
            if not isinstance(getattr(sys, name), Guarded):
                setattr(sys, name, Guarded(getattr(sys, name)))
    try:
        yield
    finally:
        with _LOCK:
            _running -= 1
            for name in _STREAMS if not _running else ():
                found = getattr(sys, name)
                if isinstance(found, Guarded):  # not what somebody else has put there meanwhile
                    setattr(sys, name, found.stream)
