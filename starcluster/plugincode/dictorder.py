"""In which order CPython 2.7 went through a dict whose keys are whole numbers."""

from __future__ import annotations

from collections.abc import Sequence

_SMALLEST = 8
_WORD = 1 << 64


def python2_order(keys: Sequence[int]) -> list[int]:
    """Indices into `keys`, which are distinct and were put in one after another, in the order of the table's slots."""
    size = _first_size(len(keys))
    table: dict[int, int] = {}
    for index, key in enumerate(keys):
        table[_slot(key, size, table)] = index
        if len(table) * 3 >= size * 2:
            size = _grown(len(table))
            table = _again(table, keys, size)
    return [table[slot] for slot in sorted(table)]


def _first_size(count: int) -> int:
    """A dict written out with more than five items had room for all of them at once."""
    return _power_above(count) if count > 5 else _SMALLEST


def _grown(used: int) -> int:
    return _power_above(used * (2 if used > 50000 else 4))


def _power_above(count: int) -> int:
    size = _SMALLEST
    while size <= count:
        size *= 2
    return size


def _again(table: dict[int, int], keys: Sequence[int], size: int) -> dict[int, int]:
    new: dict[int, int] = {}
    for slot in sorted(table):
        new[_slot(keys[table[slot]], size, new)] = table[slot]
    return new


def _slot(key: int, size: int, taken: dict[int, int]) -> int:
    code = -2 if key == -1 else key
    perturb = code % _WORD
    at = code % size
    while at % size in taken:
        at = at * 5 + perturb + 1
        perturb >>= 5
    return at % size
