"""Where a drive goes on from when its volume was deleted by mistake."""

from __future__ import annotations

from dataclasses import replace

import pytest

from starcluster import exception
from starcluster.cluster.drives import plan
from starcluster.cluster.drives.drive import Form
from starcluster.model import SnapshotState
from tests.unit.cluster.drives.world import World

ZONE = "us-east-1a"


@pytest.fixture
def world() -> World:
    made = World()
    made.records.create("data", shape={"size": 1}, keep="1 last")
    return made


def used(world: World) -> Form:
    """Brought to a node, written to, and given back."""
    form = world.hands().bring("data", world.target(world.launch(ZONE)))
    world.contents[form.id].append(1)
    world.free(form.id)
    return form


def snapshot(world: World, form: Form) -> str:
    drive = world.records.get("data")
    assert drive.present is not None
    taken = world.hands().take_snapshot(drive.record, drive.present, at_rest=True)
    world.finish_snapshots()
    return taken.id


@pytest.mark.parametrize("passed", [0, 301])
def test_a_used_volume_that_is_gone_comes_back_from_its_snapshot_at_once(world: World, passed: int) -> None:
    form = used(world)
    taken = snapshot(world, form)
    del world.made_volumes[form.id]
    world.clock.sleep(passed)
    anew = world.hands(limit=10).bring("data", world.target(world.launch(ZONE)))
    assert (world.contents[anew.id], anew.volume.snapshot_id) == ([1], taken)


def test_a_volume_that_was_never_used_is_made_again(world: World) -> None:
    form = world.hands().bring_to_zone("data", ZONE)
    del world.made_volumes[form.id]
    began = world.clock.time
    anew = world.hands().bring_to_zone("data", ZONE)
    assert anew.id != form.id
    assert world.clock.time - began >= plan.LAG.total_seconds() - 10, "EC2 may only not show it yet"


def test_a_used_volume_without_a_snapshot_is_told_and_not_replaced_by_an_empty_one(world: World) -> None:
    form = used(world)
    del world.made_volumes[form.id]
    world.clock.sleep(301)
    with pytest.raises(exception.UserMustAct, match="there is no snapshot"):
        world.hands().bring("data", world.target(world.launch(ZONE)))


def test_snapshots_that_ec2_can_not_store_are_not_taken_without_end(world: World) -> None:
    used(world)

    def spoil() -> None:
        for one in list(world.made_snapshots.values()):
            world.made_snapshots[one.id] = replace(one, state=SnapshotState.ERROR, message="no room")

    world.meanwhile = spoil
    with pytest.raises(exception.UserMustAct, match=r"could not store 3 snapshots of vol-\w+: no room") as caught:
        world.hands().bring("data", world.target(world.launch("us-east-1b")))
    assert "starcluster drive prune data" in caught.value.hint
    assert len(world.made_snapshots) == plan.TAKES
    world.made_snapshots.clear()
    world.meanwhile = world.finish_snapshots
    there = world.hands().bring("data", world.target(world.launch("us-east-1b")))
    assert world.contents[there.id] == [1]


def test_an_unused_volume_stays_while_it_tells_how_another_one_descends(world: World) -> None:
    old = used(world)
    world.meanwhile = world.finish_snapshots
    middle = world.hands().bring_to_zone("data", "us-east-1b")
    here = world.hands().bring_to_zone("data", ZONE)
    world.clock.sleep(301)
    assert plan.removable(world.records.get("data"), world.clock.now()) == []
    world.hands().bring("data", world.target(world.launch(ZONE)))
    world.hands().prove(here)
    drive = world.records.get("data")
    assert [one.id for one in plan.removable(drive, world.clock.now())] == [old.id, middle.id]
    assert plan.forks(drive) == []
