"""The clock: EC2's seconds, a local cloud's scale, and limits that leave the nodes their time."""

from __future__ import annotations

import pytest

from starcluster.clock import LEAST_LIMIT, Clock, wait_until


class Stepped(Clock):
    """Time passes by sleeping only; `monotonic` is in EC2's seconds, as in Clock."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(scale)
        self.wall = 0.0

    def monotonic(self) -> float:
        return self.wall * self.scale

    def sleep(self, seconds: float) -> None:
        self.wall += seconds / self.scale


def test_the_answer_is_handed_on() -> None:
    clock = Stepped()
    answers = iter([None, "", "here"])
    assert wait_until(lambda: next(answers), limit=60, pause=5, clock=clock) == "here"
    assert clock.wall == 10


@pytest.mark.parametrize(
    ("scale", "limit", "wall"),
    [(1, 60, 60), (30, 6000, 200), (200, 600, LEAST_LIMIT), (200, 5, 5), (1, 5, 5)],
)
def test_a_limit_is_scaled_but_never_below_what_a_node_needs(scale: float, limit: float, wall: float) -> None:
    clock = Stepped(scale)
    assert wait_until(lambda: None, limit=limit, pause=1, clock=clock) is None
    assert clock.wall == pytest.approx(wall, abs=1)


def test_the_condition_is_asked_once_more_at_the_end() -> None:
    clock = Stepped()
    assert wait_until(lambda: clock.wall >= 60 or None, limit=60, pause=7, clock=clock) is True
