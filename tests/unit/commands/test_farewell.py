"""What Ctrl-C says about each name follows from the last look at it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from starcluster import exception
from starcluster.clock import Clock
from starcluster.cluster.namerecord import NameRecord, Outcome, OutcomeState
from starcluster.commands.train import _failure, _known_now, farewell
from starcluster.model import Instance, InstanceState
from starcluster.supervisor.actions import Hold
from starcluster.supervisor.look import NameLook
from starcluster.supervisor.loop import Driver
from starcluster.supervisor.wishes import Wish

WISH = Wish(name="mynode", cluster="mycluster", instance_types=("c5.large",), command="true")
RUNNING = Instance(id="i-1", state=InstanceState.RUNNING, tags={"alias": "mynode"})
GONE = Instance(id="i-2", state=InstanceState.TERMINATED, tags={"alias": "mynode"})


def test_the_last_word_is_of_the_name_that_was_held_last() -> None:
    """Of those before it the driver has told while it went on."""
    driver = Driver([], clock=Clock())
    driver.last_hold = Hold(name="other", because="its quota is used up", hint="ask for more")
    error = _failure(driver)
    assert (str(error), error.hint) == ("other: its quota is used up", "ask for more")


def test_a_running_node_goes_on_and_costs() -> None:
    text = "\n".join(farewell(WISH, NameLook(instances=(GONE, RUNNING))))
    assert "goes on running, and costing" in text
    assert "starcluster removenode mycluster mynode" in text


def test_what_was_never_looked_at_may_be_running() -> None:
    assert "goes on running" in farewell(WISH, None)[0]


def test_without_a_machine_nothing_runs() -> None:
    text = "\n".join(farewell(WISH, NameLook(instances=(GONE,))))
    assert "has no machine" in text
    assert "removenode" not in text


def test_what_was_over_may_have_to_be_released_yet() -> None:
    done = Outcome(state=OutcomeState.FINISHED, at=datetime(2026, 1, 31, tzinfo=UTC), exit=0)
    record = NameRecord(name="mynode", cluster="mycluster", outcome=done)
    text = "\n".join(farewell(WISH, NameLook(instances=(RUNNING,), record=record)))
    assert "has finished" in text
    assert "goes on" not in text


def test_what_another_driver_watches_is_watched() -> None:
    assert farewell(WISH, NameLook(instances=(RUNNING,), holder="ann@laptop")) == [
        "mynode is watched by ann@laptop, and goes on"
    ]


GOING = dataclasses.replace(RUNNING, state=InstanceState.SHUTTING_DOWN)
RECORD = NameRecord(name="mynode", cluster="mycluster")


def test_what_is_being_ended_does_not_go_on() -> None:
    assert farewell(WISH, NameLook(instances=(GONE, GOING), record=RECORD)) == [
        "mynode is being ended: nothing runs and nothing costs",
        "  to watch it again:  starcluster train mynode",
    ]
    done = Outcome(state=OutcomeState.FINISHED, at=datetime(2026, 1, 31, tzinfo=UTC), exit=0)
    finished = NameLook(instances=(GOING,), record=dataclasses.replace(RECORD, outcome=done))
    assert farewell(WISH, finished)[0].startswith("mynode has finished; its machine is being ended")


def test_a_machine_that_was_to_be_ended_and_works_again_goes_on() -> None:
    reused = NameLook(instances=(RUNNING,), record=dataclasses.replace(RECORD, released=("i-1",)))
    assert "goes on running, and costing" in farewell(WISH, reused)[0]


def site(now: Any, before: Instance = RUNNING) -> Any:
    """A site whose last look saw `before`; `now` answers when EC2 is asked again."""
    look = SimpleNamespace(names={"mynode": NameLook(instances=(before,), record=RECORD)})
    ec2 = SimpleNamespace(instances=SimpleNamespace(find=now))
    records = SimpleNamespace(get=lambda name: dataclasses.replace(RECORD, released=("i-1",)))
    return SimpleNamespace(look=look, cluster="mycluster", observer=SimpleNamespace(ec2=ec2, records=records))


def test_what_was_ended_since_the_last_look_is_known() -> None:
    other = dataclasses.replace(RUNNING, id="i-3", tags={"alias": "other"})
    known = _known_now(site(lambda cluster: [GOING, other]), WISH)
    assert known is not None
    assert known.instances == (GOING,)
    assert known.record is not None
    assert known.record.released == ("i-1",)


def test_the_last_look_counts_where_ec2_does_not_answer() -> None:
    def fails(cluster: str) -> None:
        raise exception.TransientError("no answer")

    known = _known_now(site(fails), WISH)
    assert known is not None
    assert known.instances == (RUNNING,)
