"""SIGTERM and SIGHUP end a verb in the same good order as Ctrl-C, each with its own exit status."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

_HEEDED = (signal.SIGTERM, signal.SIGHUP)


class Sent(KeyboardInterrupt):
    """A signal that asks the program to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextlib.contextmanager
def heeding_signals() -> Iterator[None]:
    """Within it SIGTERM and SIGHUP raise Sent; one that is ignored (nohup) stays ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in _HEEDED if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    for one in _HEEDED:
        if signal.getsignal(one) is _raise:
            signal.signal(one, signal.SIG_IGN)  # the second one must not cut the farewell off
    raise Sent(number)


def status_of(sent: KeyboardInterrupt) -> int:
    """The exit status of a program that ended by this signal; closes what can not be written to any more."""
    _let_go_of_a_closed_terminal()
    return 128 + (sent.number if isinstance(sent, Sent) else signal.SIGINT)


def _let_go_of_a_closed_terminal() -> None:
    """What is left in the buffers would fail again at the very end, and change the exit status."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.write("\n" if stream.isatty() else "")
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
