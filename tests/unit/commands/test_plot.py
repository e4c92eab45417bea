"""The chart of spot prices: what is laid out, and the page and the picture that show it."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starcluster.commands.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, chart, price_marks, time_marks
from starcluster.commands.plot import page
from starcluster.commands.spotfacts import as_csv, as_json, by_zone, table
from starcluster.commands.spothistory import write_csv
from starcluster.model import SpotPrice

START = datetime(2026, 1, 1, tzinfo=UTC)


def price(zone: str, hours: float, dollars: float) -> SpotPrice:
    return SpotPrice(instance_type="t3.micro", zone=zone, price=dollars, at=START + timedelta(hours=hours))


RECORDS = [price("us-east-1b", 2, 0.2), price("us-east-1a", 0, 0.1), price("us-east-1b", 0, 0.4)]
END = START + timedelta(hours=4)


def test_one_stepped_curve_for_each_zone_and_nothing_from_elsewhere() -> None:
    text = page(chart("<t3>", RECORDS, START, END))
    assert "http" not in text
    assert "script" not in text
    assert "<t3>" not in text
    drawing = ET.fromstring(text[text.index("<svg") : text.index("</html>")])
    lines = [line.attrib["points"].split() for line in drawing.iter("polyline")]
    assert [len(line) for line in lines] == [2, 4]
    heights = [float(point.split(",")[1]) for point in lines[1]]
    assert heights[0] == heights[1] < heights[2] == heights[3]
    words = [one.text for one in drawing.iter("text")]
    assert {"us-east-1a $0.1000", "us-east-1b $0.2000", "$0.00", "$0.40", "02:00", "01 Jan"} <= set(words)


def test_a_price_from_before_the_start_begins_at_it() -> None:
    old = [price("a", -30, 0.5), price("a", -9, 0.1), *RECORDS]
    (curve, *_) = chart("t3", old, START, END).curves
    assert [x for x, _ in curve.points] == [LEFT, WIDTH - RIGHT]


def test_the_picture_has_each_zones_colour_and_no_more_curves() -> None:
    from PIL import Image

    from starcluster.commands.picture import png

    drawn = chart("t3.micro", RECORDS, START, END)
    with Image.open(io.BytesIO(png(drawn))) as image:
        assert (image.format, image.size) == ("PNG", (2 * WIDTH, 2 * HEIGHT))
        for one in drawn.curves:
            (x, y), (x2, _) = one.points[:2]
            colour = tuple(bytes.fromhex(one.colour[1:]))
            assert image.convert("RGB").getpixel((round(x + x2), round(2 * y))) == colour


@given(st.floats(0.0001, 500), st.floats(1, 50))
def test_prices_lie_between_the_outermost_marks(lowest: float, times: float) -> None:
    highest = lowest * times
    marks = price_marks(lowest, highest)
    assert marks[0] <= lowest + 1e-6
    assert marks[-1] >= highest * (1 - 1e-6)
    assert 2 <= len(marks) <= 8
    assert marks == sorted(set(marks))


@given(st.integers(60, 90 * 86400), st.integers(0, 10**7))
def test_the_time_axis_is_readable(seconds: int, after: int) -> None:
    first = START + timedelta(seconds=after)
    marks = time_marks(first, first + timedelta(seconds=seconds))
    assert len(marks) <= 8
    assert all(first <= time <= first + timedelta(seconds=seconds) for time, _ in marks)
    assert len(marks) >= 2 or seconds < 900


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 200), st.floats(0.001, 9)), min_size=1))
def test_nothing_is_drawn_outside_of_the_axes(rows: list[tuple[str, float, float]]) -> None:
    drawn = chart("t", [price(*row) for row in rows], START + timedelta(hours=100), START + timedelta(hours=201))
    for x, y in (point for curve in drawn.curves for point in curve.points):
        assert LEFT <= x <= WIDTH - RIGHT
        assert TOP - 0.01 <= y <= HEIGHT - BOTTOM + 0.01


def test_numbers_of_each_zone() -> None:
    assert by_zone(RECORDS)["us-east-1b"] == {"current": 0.2, "max": 0.4, "average": 0.3}
    assert table(by_zone(RECORDS)).splitlines() == [
        "ZONE        CURRENT      MAX  AVERAGE",
        "us-east-1a  $0.1000  $0.1000  $0.1000",
        "us-east-1b  $0.2000  $0.4000  $0.3000",
    ]
    rows = list(csv.DictReader(io.StringIO(as_csv([*RECORDS, *RECORDS]))))
    assert len(rows) == 3
    assert rows[-1] == {
        "time": "2026-01-01T02:00:00Z", "zone": "us-east-1b", "instance_type": "t3.micro", "price": "0.200000",
    }  # fmt: skip
    told = json.loads(json.dumps(as_json("t3.micro", RECORDS, START, END)))
    assert (told["current"], told["zones"]["us-east-1a"]["max"], len(told["prices"])) == (0.2, 0.1, 3)


def test_what_is_for_programs_has_standard_output_to_itself(run, tmp_path: Path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    assert json.loads(run("spothistory", "t3.micro", "--json").out)["instance_type"] == "t3.micro"
    assert run("spothistory", "t3.micro", "--csv", "-").out.startswith("time,zone,instance_type,price\n2026")
    assert run("spothistory", "t3.micro", "--csv", "-", "--json").code == 2
    assert run("spothistory", "t3.micro", "--csv", "none/x.csv").code == 1
    assert run("spothistory", "t3.micro", "--csv", "x.csv", "-o", "x.PNG").code == 0
    assert (tmp_path / "x.csv").read_text().startswith("time,")
    write_csv(str(tmp_path / "x.csv"), [*RECORDS, *RECORDS])
    assert f"3 prices are in {tmp_path / 'x.csv'}" in capsys.readouterr().out
    assert (tmp_path / "x.PNG").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("zones", [1, 40])
def test_many_zones_do_not_break_it(zones: int) -> None:
    drawn = chart("t", [price(f"z{number:02}", 0, 1 + number) for number in range(zones)], START, END)
    assert len(drawn.curves) == zones
