"""The door to volumes and snapshots, against the local cloud: kinds, growth, snapshots and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from starcluster import exception
from starcluster.aws.session import Ec2
from starcluster.model import SnapshotState, Volume

Make = Callable[..., Volume]
Until = Callable[..., object]


def test_kind_speed_and_encryption_are_asked_for(make_volume: Make) -> None:
    made = make_volume(encrypted=True)
    assert (made.kind, made.iops, made.throughput, made.encrypted) == ("gp3", 3000, 125, True)
    assert make_volume(kind="gp2").kind == "gp2"


def test_a_volume_grows_and_its_change_is_told(ec2: Ec2, volume: Volume, until: Until) -> None:
    assert ec2.volumes.modification(volume.id) is None
    change = ec2.volumes.modify(volume.id, size=2, throughput=150)
    assert (change.volume_id, change.size, change.throughput) == (volume.id, 2, 150)
    with pytest.raises(exception.ConflictError) as caught:
        ec2.volumes.modify(volume.id, size=3)
    assert (caught.value.code, "still at work" in caught.value.hint) == ("IncorrectModificationState", True)
    until(lambda: (found := ec2.volumes.modification(volume.id)) and found.state.has_new_size, "optimizing")
    assert ec2.volumes.get(volume.id).size == 2


def test_the_fifth_change_of_a_day_is_refused(ec2: Ec2, volume: Volume, until: Until) -> None:
    for size in (2, 3, 4, 5):
        ec2.volumes.modify(volume.id, size=size)
        until(lambda: (found := ec2.volumes.modification(volume.id)) and found.state == "completed", "completed")
    with pytest.raises(exception.UserMustAct, match="maximum modification rate") as caught:
        ec2.volumes.modify(volume.id, size=6)
    assert "4 times in 24 hours" in caught.value.hint


def test_a_snapshot_from_its_making_to_its_end(ec2: Ec2, volume: Volume, make_volume: Make, until: Until) -> None:
    made = ec2.snapshots.create(volume.id, description="before", tags={"Name": "first", "k": "v"})
    assert (made.state, made.volume_id, made.size, made.description) == (SnapshotState.PENDING, volume.id, 1, "before")
    until(lambda: ec2.snapshots.get("first").state is SnapshotState.COMPLETED, "completed")
    done = ec2.snapshots.get(made.id)
    assert (done.progress, done.tags) == (100, {"Name": "first", "k": "v"})
    assert ec2.snapshots.find(filters={"tag:k": "v"}) == [done]
    assert ec2.snapshots.of_volumes([volume.id, "vol-1"]) == {volume.id: [made.id], "vol-1": []}
    assert make_volume("us-east-1b", snapshot_id=made.id).snapshot_id == made.id
    ec2.snapshots.tag(made.id, {"k": "w"})
    assert ec2.snapshots.get(made.id).tags["k"] == "w"
    ec2.snapshots.delete(made.id)
    ec2.snapshots.delete(made.id)
    with pytest.raises(exception.NotFoundError, match="does not exist in us-east-1"):
        ec2.snapshots.get(made.id)
    with pytest.raises(exception.NotFoundError):
        ec2.snapshots.get("first")
