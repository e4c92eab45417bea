"""Changes of a text by places of its tree."""

from __future__ import annotations

from collections.abc import Iterable

Edit = tuple[int, int, str]
"""Start, end, and what is to stand there instead."""


def offset(text: str, line: int, column: int) -> int:
    """Of a place in the tree, which counts bytes."""
    lines = text.split("\n")
    return sum(len(one) + 1 for one in lines[: line - 1]) + len(lines[line - 1].encode()[:column].decode())


def edited(text: str, edits: Iterable[Edit]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text
