"""The agent's own log: its standard error."""

from __future__ import annotations

import contextlib
import sys
import time


def say(text: str) -> None:
    """A line with its time; a disk that is full costs the line and nothing else."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")
        sys.stderr.flush()
