"""StarCluster's name for a sign on a terminal that something goes on."""

from __future__ import annotations

import itertools
import sys
import threading

_SIGNS = "|/-\\"
_PAUSE = 0.1


class Spinner:
    """Turns on standard error from start() to stop(), where that is a terminal; `with` does both."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None and sys.stderr.isatty():
            self._stopped.clear()
            self._thread = threading.Thread(target=self._turn, daemon=True)
            self._thread.start()

    def _turn(self) -> None:
        for sign in itertools.cycle(_SIGNS):
            sys.stderr.write(sign)
            sys.stderr.flush()
            if self._stopped.wait(_PAUSE):
                break
            sys.stderr.write("\b")
        sys.stderr.write("\b \n")
        sys.stderr.flush()

    def stop(self) -> None:
        """Stopping twice, or one that never started, is no error."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Spinner:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
