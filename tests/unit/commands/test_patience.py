"""A driver's start waits for what passes by itself."""

from __future__ import annotations

import pytest

from starcluster import exception
from starcluster.commands.train import patiently
from starcluster.supervisor.loop import Driver
from tests.unit.supervisor.stage import StepClock

SLOW = exception.TransientError("AWS slows this account's calls down", code="RequestLimitExceeded")


class Builder:
    """Fails with each of the errors, then makes a driver."""

    def __init__(self, *errors: exception.BaseException) -> None:
        self.errors, self.tries = list(errors), 0

    def __call__(self) -> Driver:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        return Driver([], clock=StepClock())


def test_a_start_is_tried_again_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    build, clock = Builder(SLOW, SLOW, SLOW), StepClock()
    began = clock.time
    assert patiently(build, clock).sites == []
    assert (build.tries, clock.time - began) == (4, 30.0)
    assert caplog.text.count("trying again") == 1


def test_a_start_is_not_tried_for_ever() -> None:
    build = Builder(*[SLOW] * 1000)
    with pytest.raises(exception.TransientError, match="slows"):
        patiently(build, StepClock())
    assert build.tries == 61


def test_what_does_not_pass_by_itself_is_told_at_once() -> None:
    build = Builder(exception.ClusterDoesNotExist("there is no cluster"))
    with pytest.raises(exception.ClusterDoesNotExist):
        patiently(build, StepClock())
    assert build.tries == 1
