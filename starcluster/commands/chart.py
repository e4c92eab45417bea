"""Spot prices laid out as a chart, in points from the upper left corner; who draws it decides nothing any more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starcluster.model import SpotPrice

WIDTH, HEIGHT = 960, 480
LEFT, RIGHT, TOP, BOTTOM = 80, 200, 64, 56
# seen apart by colour-blind people too (Okabe and Ito)
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#444444")
_TIME_STEPS = tuple(
    timedelta(minutes=minutes)
    for minutes in (5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080, 20160, 43200)
)  # fmt: skip
_MOST_TIMES, _PRICE_STEPS = 7, 5
Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Curve:
    zone: str
    colour: str
    points: tuple[Point, ...]
    current: float


@dataclass(frozen=True, kw_only=True)
class Chart:
    """`times` and `prices`: where the marks of the axes are, and their texts."""

    title: str
    subtitle: str
    curves: tuple[Curve, ...]
    times: tuple[tuple[float, str], ...]
    prices: tuple[tuple[float, str], ...]


def chart(instance_type: str, records: Sequence[SpotPrice], start: datetime, end: datetime) -> Chart:
    """Steps, because a price holds until the next one; what held before the start begins at it."""
    first = max(start, min(one.at for one in records))
    span = max((end - first).total_seconds(), 1)
    marks = price_marks(min(one.price for one in records), max(one.price for one in records))
    low, high = marks[0], marks[-1]

    def x(time: datetime) -> float:
        share = min(max((time - first).total_seconds() / span, 0), 1)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(price: float) -> float:
        return HEIGHT - BOTTOM - (price - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    curves = []
    for number, zone in enumerate(sorted({one.zone for one in records})):
        mine = sorted((one for one in records if one.zone == zone), key=lambda one: one.at)
        ends = [*[one.at for one in mine[1:]], end]
        steps = [(one, last) for one, last in zip(mine, ends, strict=True) if last > first]
        corners = [(x(time), y(one.price)) for one, last in steps for time in (one.at, last)]
        colour = COLOURS[number % len(COLOURS)]
        curves.append(Curve(zone=zone, colour=colour, points=tuple(corners), current=mine[-1].price))
    digits = max(0, -math.floor(math.log10(marks[1] - marks[0]) + 1e-9))
    return Chart(
        title=f"Spot prices of {instance_type}",
        subtitle=f"US dollars an hour, {first:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} (UTC)",
        curves=tuple(curves),
        times=tuple((x(time), label) for time, label in time_marks(first, end)),
        prices=tuple((y(price), f"${price:.{max(digits, 2)}f}") for price in marks),
    )


def price_marks(lowest: float, highest: float) -> list[float]:
    """Round prices around all of them; from zero unless they differ, and lie close together."""
    low = lowest if highest / 2 < lowest < highest * 0.99 else 0.0
    spread = (highest - low) or highest or 1.0
    rough = spread / (_PRICE_STEPS - 1)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough - 1e-12)
    begin = math.floor(low / step + 1e-9)
    count = max(math.ceil(highest / step - 1e-9) - begin, 1)
    return [round((begin + number) * step, 10) for number in range(count + 1)]


def time_marks(first: datetime, end: datetime) -> list[tuple[datetime, str]]:
    """Round times in UTC; a day's first one bears the date."""
    span = end - first
    step = next((one for one in _TIME_STEPS if span / one <= _MOST_TIMES), span / _MOST_TIMES)
    zero = datetime(first.year, 1, 1, tzinfo=UTC)
    time = zero + math.ceil((first - zero) / step) * step
    found: list[tuple[datetime, str]] = []
    while time <= end:
        new_day = not found or found[-1][0].date() != time.date()
        dated = step >= timedelta(days=1) or new_day
        clock = "" if step >= timedelta(days=1) else f"{time:%H:%M}"
        found.append((time, "\n".join(one for one in (clock, f"{time:%d %b}" if dated else "") if one)))
        time += step
    return found
