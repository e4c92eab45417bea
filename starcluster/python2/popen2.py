"""Python 2's popen2: a command, and pipes of text to it and from it."""

from __future__ import annotations

import subprocess
from typing import Any

from starcluster.python2.subprocess import Popen

_PIPE = subprocess.PIPE


class Popen3:
    """`childerr` is None unless `capturestderr`."""

    def __init__(self, cmd: Any, capturestderr: bool = False, bufsize: int = -1) -> None:
        self._process = _started(cmd, stderr=_PIPE if capturestderr else None)
        self.pid = self._process.pid
        self.fromchild, self.tochild = self._process.stdout, self._process.stdin
        self.childerr = self._process.stderr

    def poll(self, _deadstate: Any = None) -> int:
        return -1 if self._process.poll() is None else self.wait()

    def wait(self) -> int:
        """The status that os.wait gives."""
        status: int = self._process.wait()
        return -status if status < 0 else status << 8


class Popen4(Popen3):
    def __init__(self, cmd: Any, bufsize: int = -1) -> None:
        self._process = _started(cmd, stderr=subprocess.STDOUT)
        self.pid, self.childerr = self._process.pid, None
        self.fromchild, self.tochild = self._process.stdout, self._process.stdin


def _started(cmd: Any, **named: Any) -> Any:
    return Popen(cmd, shell=isinstance(cmd, str), stdin=_PIPE, stdout=_PIPE, close_fds=True, **named)


def popen2(cmd: Any, bufsize: int = -1, mode: str = "t") -> tuple[Any, Any]:
    """(its output, its input)"""
    child = Popen3(cmd)
    return child.fromchild, child.tochild


def popen3(cmd: Any, bufsize: int = -1, mode: str = "t") -> tuple[Any, Any, Any]:
    """(its output, its input, its errors)"""
    child = Popen3(cmd, True)
    return child.fromchild, child.tochild, child.childerr


def popen4(cmd: Any, bufsize: int = -1, mode: str = "t") -> tuple[Any, Any]:
    """(its output and errors, its input)"""
    child = Popen4(cmd)
    return child.fromchild, child.tochild
