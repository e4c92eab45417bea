"""Python 2's os: pipes to commands, and files by number that take text."""

from __future__ import annotations

import os as _today
import tempfile as _tempfile
from collections.abc import Callable
from os import *  # noqa: F403
from typing import Any

from starcluster.python2 import popen2 as _popen2
from starcluster.python2 import to_bytes, to_text
from starcluster.python2.texts import text_file as _text_file


class _Path:
    def __getattr__(self, name: str) -> Any:
        return getattr(_today.path, name)

    def walk(self, top: str, func: Callable[[Any, str, list[str]], Any], arg: Any) -> None:
        """`func` is called for each folder, and may take names out of its list."""
        try:
            names = _today.listdir(top)
        except OSError:
            return
        func(arg, top, names)
        for name in names:
            inner = _today.path.join(top, name)
            if _today.path.isdir(inner) and not _today.path.islink(inner):
                self.walk(inner, func, arg)


path = _Path()


def __getattr__(name: str) -> Any:
    return getattr(_today, name)


def read(fd: int, n: int) -> str:
    return to_text(_today.read(fd, n))


def write(fd: int, data: Any) -> int:
    return _today.write(fd, to_bytes(data))


def fdopen(fd: int, mode: str = "r", bufsize: int = -1) -> Any:
    return _text_file(_today.fdopen(fd, mode.replace("b", "").replace("U", "") + "b"))


def popen2(cmd: Any, mode: str = "t", bufsize: int = -1) -> tuple[Any, Any]:
    """(its input, its output)"""
    child = _popen2.Popen3(cmd)
    return child.tochild, child.fromchild


def popen3(cmd: Any, mode: str = "t", bufsize: int = -1) -> tuple[Any, Any, Any]:
    """(its input, its output, its errors)"""
    child = _popen2.Popen3(cmd, True)
    return child.tochild, child.fromchild, child.childerr


def popen4(cmd: Any, mode: str = "t", bufsize: int = -1) -> tuple[Any, Any]:
    """(its input, its output and errors)"""
    child = _popen2.Popen4(cmd)
    return child.tochild, child.fromchild


def tempnam(dir: str | None = None, prefix: str = "tmp") -> str:  # noqa: A002
    """A file is made, so that nobody else takes the name."""
    handle, name = _tempfile.mkstemp(dir=dir, prefix=prefix)
    _today.close(handle)
    return name


tmpnam = tempnam
