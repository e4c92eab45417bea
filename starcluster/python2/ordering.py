"""Python 2's order of values: any two had one, None below numbers, numbers below everything else.

Python 3 is asked first; only what it refuses by TypeError is decided here.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Iterable
from typing import Any

_NO_ORDER = vars(object)["__lt__"]
_KINDS = (type(None), int, float, str, list, tuple, dict, set, frozenset)
Key = Callable[[Any], Any]


def cmp(left: Any, right: Any) -> int:
    try:
        return int(left > right) - int(left < right)
    except TypeError:
        if not (_compares_with_all(left) and _compares_with_all(right)):
            raise  # dates and complex numbers refused others then, too
    return _by_members(left, right) or _by_kind(left, right)


def _compares_with_all(value: Any) -> bool:
    return isinstance(value, _KINDS) or type(value).__lt__ is _NO_ORDER


def _by_members(left: Any, right: Any) -> int:
    """Of two lists, tuples or dicts."""
    if isinstance(left, dict) and isinstance(right, dict):
        return cmp(len(left), len(right)) or cmp(sorted(left.items()), sorted(right.items()))
    if any(isinstance(left, kind) and isinstance(right, kind) for kind in (list, tuple)):
        differing = (pair for pair in builtins.zip(left, right, strict=False) if pair[0] != pair[1])
        return next((cmp(*pair) for pair in differing), 0) or cmp(len(left), len(right))
    return 0


def _by_kind(left: Any, right: Any) -> int:
    return cmp(_rank(left), _rank(right))


def _rank(value: Any) -> tuple[int, str, int]:
    """Kinds go by their names, things of a kind without an order by where they lie."""
    if value is None:
        return 0, "", 0
    if isinstance(value, int | float):
        return 1, "", 0
    return 2, type(value).__name__, 0 if isinstance(value, _KINDS) else id(value)


# --- sorting


def sorted(  # noqa: A001
    values: Iterable[Any],
    cmp: Callable[[Any, Any], int] | None = None,
    key: Key | None = None,
    reverse: bool = False,
) -> list[Any]:
    there = list(values)
    if cmp is not None:
        return builtins.sorted(there, **py2_sort(cmp, key, reverse))
    try:
        return builtins.sorted(there, key=key, reverse=reverse)
    except TypeError:
        return builtins.sorted(there, key=_in_order(key), reverse=reverse)


def py2_sort(
    cmp: Callable[[Any, Any], int] | None = None, key: Key | None = None, reverse: bool = False
) -> dict[str, Any]:
    """The words of Python 2's list.sort() as today's."""
    if cmp is None:
        return {"key": key, "reverse": reverse}
    compare = functools.cmp_to_key(cmp)
    return {"key": (lambda value: compare(key(value))) if key else compare, "reverse": reverse}


def py2_sort_list(values: Any, *words: Any, **named: Any) -> Any:
    """values.sort()"""
    if getattr(type(values), "sort", None) is not list.sort:
        return values.sort(*words, **named)
    values[:] = sorted(values, *words, **named)
    return None


def max(*words: Any, key: Key | None = None) -> Any:  # noqa: A001
    return _extreme(builtins.max, words, key)


def min(*words: Any, key: Key | None = None) -> Any:  # noqa: A001
    return _extreme(builtins.min, words, key)


def _extreme(choose: Any, words: tuple[Any, ...], key: Key | None) -> Any:
    there = list(words[0]) if len(words) == 1 else words
    try:
        return choose(there, key=key)
    except TypeError:
        return choose(there, key=_in_order(key))


def _in_order(key: Key | None) -> Key:
    ordered = functools.cmp_to_key(cmp)
    return ordered if key is None else lambda value: ordered(key(value))


# --- comparing


class py2_ordered:
    """What stands left of `<`, `>`, `<=`, `>=` where it, or what stands right, may be None or a text."""

    __array_ufunc__ = None  # numpy leaves the comparison to us

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: Any) -> Any:
        return self._ask(lambda left, right: left < right, lambda order: order < 0, other)

    def __le__(self, other: Any) -> Any:
        return self._ask(lambda left, right: left <= right, lambda order: order <= 0, other)

    def __gt__(self, other: Any) -> Any:
        return self._ask(lambda left, right: left > right, lambda order: order > 0, other)

    def __ge__(self, other: Any) -> Any:
        return self._ask(lambda left, right: left >= right, lambda order: order >= 0, other)

    def _ask(self, today: Callable[[Any, Any], Any], then: Callable[[int], bool], other: Any) -> Any:
        right = other.value if isinstance(other, py2_ordered) else other
        try:
            return today(self.value, right)
        except TypeError:
            return then(cmp(self.value, right))
