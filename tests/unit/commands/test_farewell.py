"""What Ctrl-C says about each name follows from the last look at it."""

from __future__ import annotations

from datetime import UTC, datetime

from starcluster.clock import Clock
from starcluster.cluster.namerecord import NameRecord, Outcome, OutcomeState
from starcluster.commands.train import _failure, farewell
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
