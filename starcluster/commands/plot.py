"""Spot prices as one web page with a drawn curve for each zone; it loads nothing from anywhere."""

from __future__ import annotations

import html
import webbrowser
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.model import SpotPrice

_WIDTH, _HEIGHT, _EDGE = 900, 400, 60
_COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#16707a")


def write(path: Path, instance_type: str, prices: Sequence[SpotPrice], end: datetime) -> Path:
    """Write the page, in place of an older one."""
    try:
        path.write_text(page(instance_type, prices, end))
    except OSError as error:
        raise exception.BaseException(f"can not write {path}: {error.strerror}", hint="name a file with -o") from error
    log.info("The curves are in %s", path.resolve())
    return path


def open_page(path: Path, browser: str = "") -> None:
    """Show the page; a machine without a browser is no failure."""
    try:
        opened = webbrowser.get(browser or None).open(path.resolve().as_uri())
    except webbrowser.Error as error:
        log.debug("%s", error)
        opened = False
    if not opened:
        log.warning("No browser could be started here: open the page yourself, or set WEB_BROWSER")


def page(instance_type: str, prices: Sequence[SpotPrice], end: datetime) -> str:
    """The page: steps, because a price holds until the next one."""
    first = min(one.at for one in prices)
    top = max(one.price for one in prices) * 1.1
    seconds = max((end - first).total_seconds(), 1)

    def x(time: datetime) -> float:
        return _EDGE + (time - first).total_seconds() / seconds * (_WIDTH - 2 * _EDGE)

    def y(price: float) -> float:
        return _HEIGHT - _EDGE - price / top * (_HEIGHT - 2 * _EDGE)

    drawn = []
    for number, zone in enumerate(sorted({one.zone for one in prices})):
        records = sorted((one for one in prices if one.zone == zone), key=lambda one: one.at)
        ends = [*[one.at for one in records[1:]], end]
        corners = [(x(time), y(one.price)) for one, last in zip(records, ends, strict=True) for time in (one.at, last)]
        path = " ".join(f"{left:.1f},{up:.1f}" for left, up in corners)
        colour = _COLOURS[number % len(_COLOURS)]
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}"/>')
        drawn.append(f'<text x="{_EDGE + 110 * number}" y="20" fill="{colour}">{html.escape(zone)}</text>')
    bottom = _HEIGHT - _EDGE
    axes = f'<path d="M{_EDGE} {_EDGE}V{bottom}H{_WIDTH - _EDGE}" fill="none" stroke="#444"/>'
    labels = (
        f'<text x="5" y="{_EDGE}">${top:.3f}</text><text x="5" y="{bottom}">$0</text>'
        f'<text x="{_EDGE}" y="{bottom + 25}">{first:%Y-%m-%d %H:%M}</text>'
        f'<text x="{_WIDTH - _EDGE - 110}" y="{bottom + 25}">{end:%Y-%m-%d %H:%M}</text>'
    )
    title = f"Spot prices of {html.escape(instance_type)}, dollars an hour"
    drawing = f'<svg width="{_WIDTH}" height="{_HEIGHT}" font-size="12">{axes}{labels}{"".join(drawn)}</svg>'
    return f'<!doctype html><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>{drawing}'
