"""Python 2's string: its functions became methods of str, its letters got other names."""

from __future__ import annotations

from collections.abc import Iterable
from string import *  # noqa: F403
from string import ascii_letters, ascii_lowercase, ascii_uppercase
from typing import Any

letters, lowercase, uppercase = ascii_letters, ascii_lowercase, ascii_uppercase
atoi, atol, atof = int, int, float
maketrans = str.maketrans


def join(words: Iterable[str], sep: str = " ") -> str:
    return sep.join(words)


joinfields = join


def capwords(s: str, sep: str | None = None) -> str:
    return (sep or " ").join(word.capitalize() for word in s.split(sep))


def _method(name: str) -> Any:
    def function(s: str, *words: Any) -> Any:
        return getattr(str(s), name)(*words)

    function.__name__ = name
    return function


capitalize, center, count, expandtabs = map(_method, ("capitalize", "center", "count", "expandtabs"))
find, rfind, index, rindex = map(_method, ("find", "rfind", "index", "rindex"))
ljust, rjust, lower, upper, swapcase = map(_method, ("ljust", "rjust", "lower", "upper", "swapcase"))
lstrip, rstrip, strip, zfill = map(_method, ("lstrip", "rstrip", "strip", "zfill"))
replace, rsplit, split, splitfields = map(_method, ("replace", "rsplit", "split", "split"))


def translate(s: str, table: Any, deletions: str = "") -> str:
    return s.translate({**{ord(letter): None for letter in deletions}}).translate(table)
