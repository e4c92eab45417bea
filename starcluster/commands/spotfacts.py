"""What a spot price history says in numbers: for each zone, as a table, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import mean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starcluster.model import SpotPrice

Numbers = dict[str, float]


def numbers(prices: Sequence[SpotPrice]) -> Numbers:
    """Current, highest and average; the average is the plain mean over all records, as StarCluster's is."""
    values = [one.price for one in prices]
    return {
        "current": max(prices, key=lambda one: one.at).price,
        "max": max(values),
        "average": round(mean(values), 6),
    }


def by_zone(prices: Sequence[SpotPrice]) -> dict[str, Numbers]:
    zones = sorted({one.zone for one in prices})
    return {zone: numbers([one for one in prices if one.zone == zone]) for zone in zones}


def table(zones: dict[str, Numbers]) -> str:
    """Aligned lines, the zone that is cheapest now first."""
    rows = [("ZONE", "CURRENT", "MAX", "AVERAGE")]
    for zone, found in sorted(zones.items(), key=lambda one: one[1]["current"]):
        rows.append((zone, f"${found['current']:.4f}", f"${found['max']:.4f}", f"${found['average']:.4f}"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(word.rjust(width) for word, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def changes(prices: Sequence[SpotPrice]) -> list[SpotPrice]:
    """Each change once, the oldest first: EC2 tells it for each of its two names for Linux."""
    return sorted(dict.fromkeys(prices), key=lambda one: (one.at, one.zone))


def as_csv(prices: Sequence[SpotPrice]) -> str:
    """time,zone,instance_type,price: one line a change, the oldest first."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["time", "zone", "instance_type", "price"])
    for one in changes(prices):
        writer.writerow([iso(one.at), one.zone, one.instance_type, f"{one.price:.6f}"])
    return file.getvalue()


def as_json(instance_type: str, prices: Sequence[SpotPrice], start: datetime, end: datetime) -> dict[str, object]:
    records = [{"time": iso(one.at), "zone": one.zone, "price": one.price} for one in changes(prices)]
    return {
        "instance_type": instance_type,
        "start": iso(start),
        "end": iso(end),
        **numbers(prices),
        "zones": by_zone(prices),
        "prices": records,
    }


def iso(time: datetime) -> str:
    """`2026-11-29T19:46:44Z`, as other lists have it."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
