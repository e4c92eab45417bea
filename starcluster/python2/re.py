"""Python 2's re: escape() of all but letters and numbers, for many wrote shells' and sed's words with it."""

from __future__ import annotations

import re as _today
from re import *  # noqa: F403
from typing import Any

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def __getattr__(name: str) -> Any:
    return getattr(_today, name)


def escape(pattern: str) -> str:
    return "".join(one if one in _PLAIN else "\\000" if one == "\0" else "\\" + one for one in pattern)
