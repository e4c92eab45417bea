"""A chart as a PNG, drawn by Pillow (docs/decisions/0014)."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFont

from starcluster.commands.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart

_FINE = 2  # pixels a point
_INK, _GRID, _PAPER = "#222222", "#dddddd", "#ffffff"


class _Paper:
    """A white page in points."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (WIDTH * _FINE, HEIGHT * _FINE), _PAPER)
        self._draw = ImageDraw.Draw(self.image)

    def line(self, points: list[tuple[float, float]], colour: str, width: float = 1) -> None:
        fine = [(round(x * _FINE), round(y * _FINE)) for x, y in points]
        self._draw.line(fine, fill=colour, width=round(width * _FINE), joint="curve")

    def text(self, x: float, y: float, text: str, *, size: float = 13, anchor: str = "ls") -> None:
        font = ImageFont.load_default(size * _FINE)
        self._draw.text((x * _FINE, y * _FINE), text, fill=_INK, font=font, anchor=anchor)


def png(drawn: Chart) -> bytes:
    paper = _Paper()
    paper.text(LEFT, 28, drawn.title, size=20)
    paper.text(LEFT, 48, drawn.subtitle)
    _axes(paper, drawn)
    _curves(paper, drawn)
    file = io.BytesIO()
    paper.image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _axes(paper: _Paper, drawn: Chart) -> None:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    for y, label in drawn.prices:
        paper.line([(LEFT, y), (right, y)], _GRID)
        paper.text(LEFT - 8, y, label, anchor="rm")
    for x, label in drawn.times:
        paper.line([(x, bottom), (x, bottom + 5)], _INK)
        for number, line in enumerate(label.split("\n")):
            paper.text(x, bottom + 20 + 16 * number, line, anchor="ms")
    paper.line([(LEFT, TOP), (LEFT, bottom), (right, bottom)], _INK)


def _curves(paper: _Paper, drawn: Chart) -> None:
    at = WIDTH - RIGHT + 16
    for number, one in enumerate(drawn.curves):
        paper.line(list(one.points), one.colour, 2)
        y = TOP + 8 + 20 * number
        paper.line([(at, y - 4), (at + 18, y - 4)], one.colour, 3)
        paper.text(at + 24, y, f"{one.zone} ${one.current:.4f}")
