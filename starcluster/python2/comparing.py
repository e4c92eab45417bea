"""How a class compares that says so by Python 2's __cmp__."""

from __future__ import annotations

from typing import Any


def __eq__(self: Any, other: object) -> bool:
    return bool(self.__cmp__(other) == 0)


def __ne__(self: Any, other: object) -> bool:
    return bool(self.__cmp__(other) != 0)


def __lt__(self: Any, other: object) -> bool:
    return bool(self.__cmp__(other) < 0)


def __le__(self: Any, other: object) -> bool:
    return bool(self.__cmp__(other) <= 0)


def __gt__(self: Any, other: object) -> bool:
    return bool(self.__cmp__(other) > 0)


def __ge__(self: Any, other: object) -> bool:
    return bool(self.__cmp__(other) >= 0)


def __hash__(self: object) -> int:
    return object.__hash__(self)
