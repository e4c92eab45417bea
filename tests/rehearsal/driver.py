"""A program that goes on while the test does something else: its lines are read as they come."""

from __future__ import annotations

import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress

LIMIT = 90.0


class Driver:
    """A running `python aws_train.py`, or a shell that runs it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._new: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        if self.process.stdout:
            with self.process.stdout as lines:
                for line in lines:
                    self._new.put(line)
        self._new.put(None)

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def has_said(self, text: str, after: int = 0) -> bool:
        """Whether a line with this text has come by now, after so many others."""
        with suppress(queue.Empty):
            while (line := self._new.get_nowait()) is not None:
                self.lines.append(line)
            self._new.put(None)
        return any(text in line for line in self.lines[after:])

    def says(self, text: str, limit: float = LIMIT) -> str:
        """Wait for a line with this text, and return it."""
        return self.shows(lambda line: text in line, text, limit)

    def shows(self, wanted: Callable[[str], bool], what: str, limit: float = LIMIT) -> str:
        """Wait for a line that is wanted, and return it; `what` names it when it does not come."""
        found = next((line for line in self.lines if wanted(line)), None)
        end = time.monotonic() + limit
        while found is None:
            try:
                line = self._new.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"the driver did not say '{what}' in {limit} s\n{self.text}") from None
            if line is None:
                self._new.put(None)
                raise AssertionError(f"the driver ended without saying '{what}'\n{self.text}")
            self.lines.append(line)
            found = line if wanted(line) else None
        return found

    def ends(self, status: int, limit: float = LIMIT) -> str:
        """Wait for its end with this exit status; all that it printed."""
        while True:
            try:
                line = self._new.get(timeout=limit)
            except queue.Empty:
                raise AssertionError(f"the driver did not end in {limit} s\n{self.text}") from None
            if line is None:
                break
            self.lines.append(line)
        assert self.process.wait(5) == status, self.text
        assert "Traceback" not in self.text
        return self.text

    def kill(self) -> None:
        """kill -9, as a laptop that loses its power."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
