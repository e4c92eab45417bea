"""A chart of spot prices as a web page that loads nothing from anywhere, or as a PNG."""

from __future__ import annotations

import html
import webbrowser
from pathlib import Path

from starcluster import exception
from starcluster.commands.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart
from starcluster.logger import log

_STYLE = "body{font-family:sans-serif;color:#222}svg text{font-size:13px}h1{font-size:20px;margin-bottom:0}"


def write(path: Path, drawn: Chart) -> Path:
    """Write the page, or a PNG when the file is called so, in place of an older one."""
    data = as_png(drawn) if is_png(path) else page(drawn).encode()
    try:
        path.write_bytes(data)
    except OSError as error:
        raise exception.BaseException(f"can not write {path}: {error.strerror}", hint="name a file with -o") from error
    log.info("The curves are in %s", path.resolve())
    return path


def is_png(path: Path) -> bool:
    return path.suffix.lower() == ".png"


def can_draw() -> bool:
    """Whether what a PNG needs is installed."""
    from importlib.util import find_spec

    return find_spec("PIL") is not None


def as_png(drawn: Chart) -> bytes:
    if not can_draw():
        raise exception.BaseException(
            "a PNG needs Pillow, which is not installed",
            hint="pip install 'starcluster-spot[plot]', or name a file that ends in .html",
        )
    from starcluster.commands.picture import png

    return png(drawn)


def open_page(path: Path, browser: str = "") -> None:
    """Show the page; a machine without a browser is no failure."""
    try:
        opened = webbrowser.get(browser or None).open(path.resolve().as_uri())
    except webbrowser.Error as error:
        log.debug("%s", error)
        opened = False
    if not opened:
        log.warning("No browser could be started here: open the page yourself, or set WEB_BROWSER")


def page(drawn: Chart) -> str:
    title, subtitle = html.escape(drawn.title), html.escape(drawn.subtitle)
    parts = [*_axes(drawn), *_curves(drawn)]
    drawing = f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(parts)}</svg>'
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f"{head}<h1>{title}</h1><p>{subtitle}</p>{drawing}</html>"


def _axes(drawn: Chart) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for y, label in drawn.prices:
        parts.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for x, label in drawn.times:
        parts.append(f'<path d="M{x:.1f} {bottom}v5" stroke="#444"/>')
        for number, line in enumerate(label.split("\n")):
            parts.append(f'<text x="{x:.1f}" y="{bottom + 20 + 16 * number}" text-anchor="middle">{line}</text>')
    parts.append(f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#444"/>')
    return parts


def _curves(drawn: Chart) -> list[str]:
    parts, at = [], WIDTH - RIGHT + 16
    for number, one in enumerate(drawn.curves):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in one.points)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{one.colour}" stroke-width="2"/>')
        y = TOP + 8 + 20 * number
        parts.append(f'<path d="M{at} {y - 4}h18" stroke="{one.colour}" stroke-width="3"/>')
        parts.append(f'<text x="{at + 24}" y="{y}">{html.escape(one.zone)} ${one.current:.4f}</text>')
    return parts
