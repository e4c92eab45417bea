"""The page with the price curves."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

from starcluster.commands.plot import page
from starcluster.model import SpotPrice

START = datetime(2026, 1, 1, tzinfo=UTC)


def price(zone: str, hours: int, dollars: float) -> SpotPrice:
    return SpotPrice(instance_type="t3.micro", zone=zone, price=dollars, at=START + timedelta(hours=hours))


def test_one_stepped_curve_for_each_zone_and_nothing_from_elsewhere() -> None:
    records = [price("us-east-1b", 2, 0.2), price("us-east-1a", 0, 0.1), price("us-east-1b", 0, 0.4)]
    text = page("<t3>", records, START + timedelta(hours=4))
    assert "http" not in text
    assert "<t3>" not in text
    drawing = ET.fromstring(text[text.index("<svg") :])
    lines = [line.attrib["points"].split() for line in drawing.iter("polyline")]
    assert [len(line) for line in lines] == [2, 4]
    heights = [float(point.split(",")[1]) for point in lines[1]]
    assert heights[0] == heights[1] < heights[2] == heights[3]
