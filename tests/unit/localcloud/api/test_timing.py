"""The control operation `timing`: the cloud's durations, set while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from starcluster.localcloud.api.operations import UsageError
from tests.unit.localcloud.api.conftest import SPEED, Api, until

LONG = 100_000.0


@pytest.fixture
def timed(api: Api) -> Iterator[Api]:
    """The API, whose durations are as before afterwards."""
    before = api.cloud.timing
    yield api
    api.cloud.timing = before


def test_without_words_it_only_tells(timed: Api) -> None:
    before = timed.cloud.timing
    told = timed.control.timing()["timing"]
    assert timed.cloud.timing == before
    assert (told["boot_to_running"], told["speed"]) == (before.boot_to_running, SPEED)


def test_the_next_launch_takes_as_long_as_was_set(timed: Api) -> None:
    told = timed.control.timing(boot_to_running=LONG, running_to_ssh=20)["timing"]
    assert (told["boot_to_running"], told["running_to_ssh"]) == (LONG, 20)
    launched = time.time()
    instance = timed.run()
    jobs = timed.cloud.world.jobs
    until(lambda: ("running", instance) in jobs)
    assert jobs["running", instance].due >= launched + LONG / SPEED
    assert timed.hosts.specs[instance].boot_seconds == pytest.approx((LONG + 20) / SPEED)
    timed.ec2.terminate_instances(InstanceIds=[instance])


def test_other_durations_stay(timed: Api) -> None:
    before = timed.control.timing()["timing"]
    timed.control.timing(terminate=55)
    after = timed.control.timing()["timing"]
    assert {name for name in after if after[name] != before[name]} == {"terminate"}


@pytest.mark.parametrize("wrong", [{"speed": 5}, {"bood": 5}, {"stop": -1}, {"stop": "5"}, {"stop": float("nan")}])
def test_wrong_words_change_nothing(timed: Api, wrong: dict[str, Any]) -> None:
    before = timed.cloud.timing
    with pytest.raises(UsageError, match=next(iter(wrong))):
        timed.control.timing(detach=9, **wrong)
    assert timed.cloud.timing == before
