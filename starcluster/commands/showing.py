"""How lists are shown: blocks of `name: value` lines, times in local time, as StarCluster's readers know them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import click

NONE = "N/A"


def block(facts: Mapping[str, object]) -> None:
    """One block, and the empty line that ends it."""
    for name, value in facts.items():
        click.echo(f"{name}: {value}")
    click.echo()


def total(count: int) -> None:
    click.echo(f"Total: {count}")


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
