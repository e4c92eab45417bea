"""Python 2's pickle: text, in the oldest form unless it is told otherwise."""

from __future__ import annotations

import pickle as _today
from pickle import *  # noqa: F403
from typing import Any

from starcluster.python2 import to_bytes, to_text


def dumps(value: Any, protocol: int = 0) -> str:
    return to_text(_today.dumps(value, protocol))


def loads(data: Any) -> Any:
    return _today.loads(to_bytes(data), encoding="utf-8", errors="surrogateescape")


def dump(value: Any, file: Any, protocol: int = 0) -> None:
    try:
        file.write(dumps(value, protocol))
    except TypeError:  # of bytes
        file.write(_today.dumps(value, protocol))


def load(file: Any) -> Any:
    """The next one; a file of text is read through the bytes below it."""
    below = getattr(file, "buffer", None)
    if below is None:
        return loads(file.read())
    below.seek(file.tell())
    value = _today.load(below, encoding="utf-8", errors="surrogateescape")
    file.seek(below.tell())
    return value
