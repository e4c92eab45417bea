"""Which snapshots of a drive to keep: a rule like `3 hourly, 7 daily`, decided from times alone.

Of every period that has a snapshot the newest one stays, back over as many such periods as the rule says, so that a
week in which nothing was written takes nothing away. The periods are UTC's; a week begins on Monday.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from starcluster import exception

DEFAULT = "3 hourly, 7 daily"
_PART = re.compile(r"(\d+)\s+([a-z]+)\Z")


class Period(StrEnum):
    LAST = "last"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


_FORMATS = {
    Period.LAST: "",
    Period.HOURLY: "%Y-%m-%d %H",
    Period.DAILY: "%Y-%m-%d",
    Period.WEEKLY: "%G-W%V",
    Period.MONTHLY: "%Y-%m",
}


@dataclass(frozen=True, kw_only=True)
class Keep:
    """So many of each period, e.g. {HOURLY: 3, DAILY: 7}."""

    counts: dict[Period, int]

    def __str__(self) -> str:
        return ", ".join(f"{count} {period}" for period, count in self.counts.items())


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A finished snapshot, as far as the rule looks at it."""

    id: str
    at: datetime


def read_keep(text: str) -> Keep:
    """`3 hourly, 7 daily` as a rule; UsageError when it is none, or would keep nothing."""
    counts: dict[Period, int] = {}
    for part in filter(None, (one.strip().lower() for one in re.split(r"[,\n]", text))):
        match = _PART.match(part)
        if match is None or match[2] not in list(Period):
            raise exception.UsageError(
                f"'{part}' is not a number and one of: {', '.join(Period)}", hint=f"for example: keep = {DEFAULT}"
            )
        period = Period(match[2])
        if period in counts:
            raise exception.UsageError(f"'{period}' stands twice in '{text}'")
        counts[period] = int(match[1])
    if not any(counts.values()):
        raise exception.UsageError(f"'{text}' would keep no snapshot", hint=f"for example: keep = {DEFAULT}")
    return Keep(counts=counts)


def to_remove(snapshots: Iterable[Kept], keep: Keep, *, protected: Collection[str] = ()) -> list[str]:
    """The ids that the rule lets go, oldest first; never the newest of all, never one that is `protected`."""
    newest_first = sorted(snapshots, key=lambda one: (one.at, one.id), reverse=True)
    stay = {one.id for one in newest_first[:1]} | set(protected)
    for period, count in keep.counts.items():
        stay |= set(_newest_of_each(newest_first, period)[:count])
    return [one.id for one in reversed(newest_first) if one.id not in stay]


def _newest_of_each(newest_first: Sequence[Kept], period: Period) -> list[str]:
    if period is Period.LAST:
        return [one.id for one in newest_first]
    found: dict[str, str] = {}
    for one in newest_first:
        found.setdefault(one.at.strftime(_FORMATS[period]), one.id)
    return list(found.values())
