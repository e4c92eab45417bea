"""A read that is behind what we wrote ourselves is put right; what others wrote is believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from starcluster.cluster.namerecord import NameRecords, Outcome, OutcomeState
from starcluster.cluster.ownwrites import KEPT, OwnWrites
from starcluster.model import LaunchTemplate
from tests.fakes.ec2 import START, FakeEc2
from tests.unit.supervisor.stage import StepClock


def template(**tags: str) -> LaunchTemplate:
    return LaunchTemplate(id="lt-1", name="sc-mycluster-mynode", created=START, tags=tags)


@pytest.fixture
def clock() -> StepClock:
    return StepClock()


@pytest.fixture
def own(clock: StepClock) -> OwnWrites:
    return OwnWrites(clock)


def test_what_was_written_is_there_before_a_read_shows_it(own: OwnWrites) -> None:
    own.note("lt-1", {"a": "1"}, {"a": "2", "b": "x"})
    own.note("lt-1", {"a": "2", "b": "x"}, {"a": "3"})
    assert own.corrected(template(a="1")).tags == {"a": "3", "b": "x"}
    assert own.corrected(template(a="2", b="x")).tags == {"a": "3", "b": "x"}
    assert own.corrected(template(a="3", b="x")).tags == {"a": "3", "b": "x"}
    assert own.corrected(replace(template(a="1"), id="lt-2")).tags == {"a": "1"}


def test_what_was_shown_once_is_believed_from_then_on(own: OwnWrites) -> None:
    own.note("lt-1", {"a": "1"}, {"a": "2"})
    own.corrected(template(a="2"))
    assert own.corrected(template(a="1")).tags == {"a": "1"}


@pytest.mark.parametrize(
    "newer",
    [{"a": "5"}, {"a": "1", "b": "x"}, {"a": "2"}],
    ids=["a value that we do not know", "a part of what we wrote taken back", "another part"],
)
def test_what_another_one_wrote_after_us_wins(own: OwnWrites, newer: dict[str, str]) -> None:
    own.note("lt-1", {"a": "1"}, {"a": "2", "b": "x"})
    assert own.corrected(template(**newer)).tags == newer


def test_a_read_is_believed_at_the_latest_after_some_minutes(own: OwnWrites, clock: StepClock) -> None:
    own.note("lt-1", {"a": "1"}, {"a": "2"})
    own.note_made(replace(template(), id="lt-2", name="another"))
    clock.sleep(KEPT - 1)
    assert own.corrected(template(a="1")).tags == {"a": "2"}
    assert [one.id for one in own.unshown([])] == ["lt-2"]
    clock.sleep(2)
    assert own.corrected(template(a="1")).tags == {"a": "1"}
    assert own.unshown([]) == []
    assert own.made("another") is None


def test_what_was_not_changed_is_not_kept(own: OwnWrites) -> None:
    own.note("lt-1", {"a": "1"}, {"a": "1"})
    assert own.corrected(template(a="0")).tags == {"a": "0"}


def test_a_record_that_was_just_made_is_there(clock: StepClock) -> None:
    """Its template is not shown yet: neither is it made again, nor is what was written into it lost."""
    ec2 = FakeEc2()
    records = NameRecords(ec2.templates, "mycluster", clock=clock)
    made = records.ensure("mynode")
    records.change(made, generation=1)
    hidden = dict(ec2.templates.all)
    ec2.templates.all.clear()
    assert records.ensure("mynode").generation == 1
    assert records.find()["mynode"].generation == 1
    ec2.templates.all.update(hidden)
    assert records.find()["mynode"].generation == 1
    ec2.templates.all.clear()
    assert records.find() == {}


def test_an_outcome_stands_from_the_moment_it_is_written(clock: StepClock) -> None:
    ec2 = FakeEc2()
    records = NameRecords(ec2.templates, "mycluster", clock=clock)
    before = records.ensure("mynode")
    shown = dict(ec2.templates.all)
    records.change(before, outcome=Outcome(state=OutcomeState.FINISHED, at=START, exit=0))
    ec2.templates.all = shown
    found = records.find()["mynode"]
    assert found.outcome is not None
    assert NameRecords(ec2.templates, "mycluster").find()["mynode"].outcome is None
