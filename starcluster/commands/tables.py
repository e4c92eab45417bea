"""Tables for a terminal: as many columns as fit, the others are left out, so that a narrow window stays readable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_GAP = 2


@dataclass(frozen=True, kw_only=True)
class Column:
    """`rank`: the higher, the sooner it is left out; `least`: its words may be cut to so many; `right`: numbers.

    `fold`: rather than being left out they go on below, in lines of so many.
    """

    head: str
    rank: int = 0
    least: int = 0
    fold: int = 0
    right: bool = False
    style: str = ""


def fitting(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Which columns go into so many characters."""
    need = _needed(columns, rows)
    kept = list(range(len(columns)))
    while sum(need[at] for at in kept) + _GAP * (len(kept) - 1) > width:
        worst = max(kept, key=lambda at: (columns[at].rank, at))
        if not columns[worst].rank:
            break
        kept.remove(worst)
    # what is never left out goes on below; where not even that is enough, the last ones go after all, and words are cut
    least = [min(one.fold or wide, wide) for one, wide in zip(columns, need, strict=True)]
    while sum(least[at] for at in kept) + _GAP * (len(kept) - 1) > width:
        may_go = [at for at in kept[1:] if not columns[at].least]
        if not may_go:
            break
        kept.remove(may_go[-1])
    return kept


def left_out(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> str:
    """Which columns a table of that width is without, in a sentence; "" where it has them all."""
    kept = fitting(columns, rows, width)
    gone = [one.head for at, one in enumerate(columns) if at not in kept]
    return f"Not shown: {', '.join(gone)} (for a wider terminal, or --plain)" if gone else ""


def _needed(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    """How many characters each column takes at least."""
    wide = [max(len(one.head), *(len(row[at]) for row in rows), 0) for at, one in enumerate(columns)]
    return [one.least or width for one, width in zip(columns, wide, strict=True)]


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    width: int,
    cells: Sequence[Sequence[RenderableType]] | None = None,
) -> Table:
    """A table for that width. `rows`: the texts that widths follow from; `cells`: what is shown, where it differs."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    kept, need = fitting(columns, rows, width), _needed(columns, rows)
    spare = max(0, width - sum(need[at] for at in kept) - _GAP * len(kept))
    # between two columns stands the box's divider, a blank, and the padding
    made = Table(box=box.SIMPLE_HEAD, padding=(0, _GAP - 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for at in kept:
        one = columns[at]
        made.add_column(
            one.head,
            justify="right" if one.right else "left",
            style=one.style,
            no_wrap=not one.fold,
            overflow="fold" if one.fold else "ellipsis",
            min_width=min(one.fold or need[at], need[at]),
            max_width=need[at] + (spare if one.least else 0),
        )
    for at, row in enumerate(rows):
        shown = cells[at] if cells is not None else [Text(word) for word in row]
        made.add_row(*(shown[column] for column in kept))
    return made
