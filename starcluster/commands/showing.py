"""How lists are shown: blocks of `name: value` lines, times in local time, as StarCluster's readers know them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from starcluster.cluster.namerecord import Spent

NONE = "N/A"
UNKNOWN = "?"


def block(facts: Mapping[str, object]) -> None:
    """One block, and the empty line that ends it."""
    for name, value in facts.items():
        click.echo(f"{name}: {value}")
    click.echo()


def total(count: int) -> None:
    click.echo(f"Total: {count}")


def counted(count: int, thing: str) -> str:
    """`1 node`, `2 nodes`."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def local_time(time: datetime | None) -> str:
    """`YYYY-mm-dd HH:MM:SS` here, or N/A."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S") if time else NONE


def uptime(since: datetime | None, now: datetime | None = None) -> str:
    """`D days, HH:MM:SS` since then, or N/A."""
    if since is None:
        return NONE
    passed = max((now or datetime.now(UTC)) - since, timedelta())
    hours, rest = divmod(passed.seconds, 3600)
    return f"{passed.days} days, {hours:02d}:{rest // 60:02d}:{rest % 60:02d}"


def tag_words(tags: Mapping[str, str]) -> str:
    """`k=v, bare`; a tag without a value is its name alone."""
    return ", ".join(f"{key}={value}" if value else key for key, value in tags.items())


def or_none(text: str) -> str:
    return text or NONE


def words(texts: Iterable[str], between: str = ", ") -> str:
    """The texts in one line, or N/A."""
    return between.join(texts) or NONE


def duration(seconds: float | None) -> str:
    """`3m05s`, `1h02m`, `2d03h`: the two biggest units; "?" when it is not known."""
    if seconds is None:
        return UNKNOWN
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02d}h"
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def money(usd: float | None) -> str:
    """Dollars without the sign: cents from one dollar on, hundredths of a cent below."""
    if usd is None:
        return UNKNOWN
    return f"{usd:.2f}" if abs(usd) >= 1 else f"{usd:.4f}"


def spent_words(spent: Spent) -> str:
    """`0.0123`; `0.0123+?` when a part is not known, `?` when nothing is."""
    if spent.unknown:
        return f"{money(spent.usd)}+{UNKNOWN}" if spent.usd else UNKNOWN
    return money(spent.usd) if spent.seconds else "-"


def saved_words(spent: Spent) -> str:
    """`0.0456 (79%)` against on-demand."""
    if spent.unknown or spent.unpriced:
        return UNKNOWN
    if not spent.on_demand:
        return "-"
    saved = spent.on_demand - spent.usd
    return f"{money(saved)} ({saved / spent.on_demand:.0%})"


def progress_words(step: int | None, total: int | None) -> str:
    """`STEP/TOTAL` as the program printed it."""
    return f"{step}/{total}" if step is not None and total else "-"
