"""When the driver takes snapshots of a name's drives by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from starcluster.cluster.namerecord import Outcome, OutcomeState
from starcluster.model import InstanceState, SpotRequest, SpotState
from starcluster.supervisor import actions as act
from starcluster.supervisor.drivewishes import DriveWish
from starcluster.supervisor.look import DriveLook, NameLook, NodePhase
from starcluster.supervisor.plan import decide
from tests.unit.supervisor.world import NOW, instance, known, look, record, report, run, wish

WISH = wish(drives=(DriveWish(name="data", path="/data", snapshot_every=1800),))
DONE = Outcome(state=OutcomeState.FINISHED, at=NOW, exit=0)


def drive(**facts: object) -> DriveLook:
    return DriveLook(**({"name": "data", "zone": "us-east-1a", "volume_id": "vol-1", "used": True} | facts))  # type: ignore[arg-type]


def working(one: DriveLook, **more: object) -> NameLook:
    answer = report(phase=NodePhase.RUNNING, run=run())
    return known(instances=(instance(),), answer=answer, drives=(one,), **more)


def now(case: NameLook, asked: object = WISH) -> act.Action:
    return decide(asked, look(case))  # type: ignore[arg-type]


IN_USE = drive(holder="i-1", holder_lives=True, unkept_for=1800.0)


def test_a_snapshot_is_due_after_its_time() -> None:
    found = now(working(IN_USE))
    assert found == act.KeepDrive(
        name="mynode",
        because="drive data: its last snapshot is older than 30 minutes (snapshot_every)",
        drive="data",
    )
    assert isinstance(now(working(replace(IN_USE, unkept_for=1799.0))), act.Wait)


@pytest.mark.parametrize(
    "facts",
    [{"pending": True}, {"resting": True}, {"used": False}, {"holder": "i-2"}, {"holder": ""}, {"exists": False}],
)
def test_none_is_taken_where_there_is_nothing_to_be_had(facts: dict[str, object]) -> None:
    assert isinstance(now(working(replace(IN_USE, **facts))), act.Wait)  # type: ignore[arg-type]


def test_none_is_taken_where_the_user_wants_none() -> None:
    never = wish(drives=(DriveWish(name="data", path="/data", snapshot_every=0),))
    assert isinstance(now(working(IN_USE), never), act.Wait)
    assert isinstance(now(working(IN_USE), wish()), act.Wait)
    free = known(instances=(instance(state=InstanceState.PENDING, ready=""),), drives=(drive(unsaved=True),))
    assert isinstance(now(free, never), act.Wait)


def test_none_is_taken_of_a_node_that_ec2_takes() -> None:
    taken = SpotRequest(id="sir-1", state=SpotState.CLOSED, code="instance-terminated-no-capacity", instance_id="i-1")
    assert not isinstance(now(working(IN_USE, requests=(taken,))), act.KeepDrive)


def test_after_a_checkpoint_one_is_taken_early_but_not_too_often() -> None:
    fresh = replace(IN_USE, unkept_for=400.0)
    found = now(working(fresh, checkpoint_age=20.0))
    assert isinstance(found, act.KeepDrive)
    assert "a checkpoint has been written" in found.because
    assert isinstance(now(working(fresh, checkpoint_age=401.0)), act.Wait), "the snapshot has it"
    assert isinstance(now(working(fresh, checkpoint_age=400.0)), act.Wait)
    assert isinstance(now(working(fresh)), act.Wait), "there was none"
    assert isinstance(now(working(replace(fresh, unkept_for=299.0), checkpoint_age=20.0)), act.Wait)
    assert isinstance(now(working(replace(fresh, unkept_for=300.0), checkpoint_age=0.0)), act.KeepDrive)


def test_while_the_next_machine_boots_a_free_drive_is_kept() -> None:
    booting = (instance(state=InstanceState.PENDING, ready=""),)
    found = now(known(instances=booting, drives=(drive(unsaved=True),)))
    assert isinstance(found, act.KeepDrive)
    assert "nobody" not in found.because
    assert isinstance(now(known(instances=booting, drives=(drive(),))), act.Wait)


def test_at_the_end_the_drive_is_kept_before_the_name_is_done_with() -> None:
    over = record(outcome=DONE)
    gone = instance(state=InstanceState.SHUTTING_DOWN)
    still = known(record=over, instances=(gone,), drives=(drive(holder="i-1"),))
    found = now(still)
    assert isinstance(found, act.Wait)
    assert "drive data is being freed by the end of i-1" in found.because
    assert isinstance(now(replace(still, drives=(drive(unsaved=True),))), act.KeepDrive)
    assert isinstance(now(replace(still, drives=(drive(),))), act.Finish)
    assert isinstance(now(replace(still, drives=(drive(unsaved=True, resting=True),))), act.Finish), "not for ever"
    elsewhere = known(record=over, drives=(drive(holder="i-9"),))
    assert isinstance(now(elsewhere), act.Finish), "it is not our node that has it"


def test_a_drive_that_was_not_looked_at_is_left_alone() -> None:
    answer = report(phase=NodePhase.RUNNING, run=run())
    assert isinstance(now(known(instances=(instance(),), answer=answer)), act.Wait)
