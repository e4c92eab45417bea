"""kill -9 of every drive verb around each of its calls to EC2 and each of its commands on nodes; then once more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rehearsal.crash.drivestage import Arena, Record
from tests.rehearsal.crash.driveverbs import VERBS
from tests.rehearsal.crash.points import Point, at_points
from tests.rehearsal.train.conftest import started

SAMPLED = {
    "attach_there": ("after CreateLaunchTemplate 1", "after AttachVolume 1"),
    "detach": ("after DetachVolume 1",),
}
EVERY = 0.1  # wall seconds between two moments


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with started(Arena(tmp_path_factory.mktemp("drives"), speed=200)) as made:
        yield made


def killed(stage: Arena, name: str, record: Record, points: list[Point]) -> list[str]:
    print(f"\n{name}: {len(record.calls)} calls and commands, leaves {dict(record.leaves)}", flush=True)
    return list(at_points(stage, points, lambda point: stage.killed_at(VERBS[name], record, point)))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SAMPLED)
def test_a_verb_that_was_killed_is_done_by_the_next_one(stage: Arena, name: str) -> None:
    record = stage.recorded(VERBS[name])
    points = [point for point in record.points if str(point) in SAMPLED[name]]
    assert len(points) == len(SAMPLED[name])
    assert killed(stage, name, record, points) == []


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("name", VERBS)
def test_a_kill_around_every_call(stage: Arena, name: str) -> None:
    record = stage.recorded(VERBS[name])
    assert killed(stage, name, record, record.points) == []


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("name", VERBS)
def test_a_kill_at_every_moment(stage: Arena, name: str) -> None:
    """Between calls and commands, and in the middle of a command on a node: while a file system is made, say."""
    record = stage.recorded(VERBS[name])
    moments = [EVERY * place for place in range(1, int(record.seconds / EVERY) + 5)]
    assert list(at_points(stage, moments, lambda seconds: stage.killed_after(VERBS[name], record, seconds))) == []
