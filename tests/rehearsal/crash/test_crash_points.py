"""kill -9 of the driver around every call to EC2 and to agents of the main job, and at moments of all its length."""

from __future__ import annotations

import time

import pytest

from tests.rehearsal.crash.job import Arena, JobCall, ended_or, interrupted
from tests.rehearsal.crash.points import Point, at_points, spread

SAMPLED = 2
SAMPLED_ORDERS = ("after agent run 1", "after agent start 2")
PARTS = 6  # of all points, each from the whole length; `-k "every_call and 2"` runs the third part alone
EVERY = 0.25  # wall seconds between two moments


def points_of(record: list[JobCall], *, agent: bool) -> list[Point]:
    return [Point(call=call, when=when) for call in record if call.agent is agent for when in ("before", "after")]


def crash_at(arena: Arena, point: Point) -> str:
    name = arena.fresh()
    with interrupted(arena):
        arena.control("hold", **point.call.hold, when=point.when)
        first = arena.drive(name)
        came = ended_or(lambda: arena.is_parked, first)
        first.kill()
        arena.control("clear")
        arena.drive(name).ends(0)
    arena.check()
    return "killed there" if came else "ended before that call came"


def crash_after(arena: Arena, seconds: float) -> str:
    name = arena.fresh()
    with interrupted(arena):
        first = arena.drive(name)
        time.sleep(seconds)
        came = first.process.poll() is None
        first.kill()
        arena.drive(name).ends(0)
    arena.check()
    return "killed there" if came else "ended before"


@pytest.mark.timeout(900)
def test_a_kill_around_a_call(arena: Arena, record: list[JobCall]) -> None:
    """Some points of the record."""
    points = spread(points_of(record, agent=False), SAMPLED)
    assert len(points) == SAMPLED
    assert list(at_points(arena, points, lambda point: crash_at(arena, point))) == []


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_kill_around_an_agent_call(arena: Arena, record: list[JobCall]) -> None:
    """An order that was written down and never given; orders carried out whose answers were lost."""
    points = [point for point in points_of(record, agent=True) if str(point) in SAMPLED_ORDERS]
    assert len(points) == len(SAMPLED_ORDERS)
    assert list(at_points(arena, points, lambda point: crash_at(arena, point))) == []


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_around_every_call(arena: Arena, record: list[JobCall], part: int) -> None:
    points = points_of(record, agent=False)[part::PARTS]
    assert list(at_points(arena, points, lambda point: crash_at(arena, point))) == []


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_kill_around_every_agent_call(arena: Arena, record: list[JobCall]) -> None:
    points = points_of(record, agent=True)
    assert list(at_points(arena, points, lambda point: crash_at(arena, point))) == []


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_kill_at_every_moment(arena: Arena, record: list[JobCall]) -> None:
    """Between the calls to EC2 and to agents there are plain commands on nodes and the driver's own files."""
    length = record[-1].at - record[0].at
    moments = [EVERY * place for place in range(int(length / EVERY))]
    assert list(at_points(arena, moments, lambda seconds: crash_after(arena, seconds))) == []
