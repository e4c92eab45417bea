"""Drives' verbs on a cluster in memory: what a kill at any call of EC2 leaves is gone on from by the next run."""

from __future__ import annotations

from contextlib import suppress

import pytest

from starcluster import exception
from starcluster.cluster.drives.drive import MARK
from starcluster.cluster.drives.keeping import Drives
from starcluster.model import Volume
from tests.fakes.ec2 import FakeEc2
from tests.unit.cluster.volumes.conftest import Desk, Site
from tests.unit.cluster.volumes.killing import Killed, Killing

HERE, THERE = "us-east-1a", "us-east-1b"
CALLS = 60  # more than the verb makes


def used(site: Site, name: str) -> str:
    """A drive that was written to; its snapshot's id."""
    drives = Drives(site)
    drives.create(name, shape={"size": 1}, keep="1 last")
    drives.attach(name, site.get("c").master_node, f"/{name}")
    kept = drives.snapshot(name)
    drives.detach(name)
    return kept.id


def restore(site: Site, name: str, snapshot_id: str) -> Volume:
    return Drives(site).restore(name, snapshot_id, THERE)


@pytest.mark.parametrize("after", [False, True])
def test_a_killed_restore_is_gone_on_with_and_not_begun_anew(site: Site, ec2: FakeEc2, *, after: bool) -> None:
    for at in range(1, CALLS):
        name = f"data{at}"
        kept = used(site, name)
        [old] = Drives(site).records.get(name).forms
        killed = True
        with suppress(Killed), Killing(ec2, at, after=after):
            restore(site, name, kept)
            killed = False
        made = restore(site, name, kept)
        found = Drives(site).records.get(name)
        assert {one.id for one in found.forms} == {old.id, made.id}, at
        assert len(found.entries) == 2, at
        if not killed:
            return
    raise AssertionError("it makes more calls")


def test_going_back_again_after_a_use_is_another_time(site: Site, desk: Desk) -> None:
    kept = used(site, "data")
    once = Drives(site).restore("data", kept, HERE)
    desk.on[once.id] = "ext4"
    drives = Drives(site)
    drives.attach("data", site.get("c").master_node, "/data")
    drives.detach("data")
    again = drives.restore("data", kept, HERE)
    assert again.id != once.id


def test_a_drive_that_was_never_formatted_is_formatted_where_it_goes(site: Site, ec2: FakeEc2, desk: Desk) -> None:
    drives = Drives(site)
    drives.create("data", shape={"size": 1}, keep="1 last")
    empty = drives.move("data", THERE)
    ec2.volumes.tag(empty.id, {MARK: "1:attached"})  # and whoever attached it was killed
    drives.attach("data", site.get("c").master_node, "/data")
    assert desk.done == ["master: mkfs ext4", "master: check", "master: mount /data"]
    [there] = [one for one in Drives(site).records.get("data").forms if one.id != empty.id]
    assert there.volume.snapshot_id
    assert there.proven


def test_what_was_mounted_once_is_never_formatted(site: Site, ec2: FakeEc2, desk: Desk) -> None:
    """Whatever there is to see on it."""
    kept = used(site, "data")
    [old] = Drives(site).records.get("data").forms
    drives = Drives(site)
    drives.restore("data", kept, HERE)
    for gone in (False, True):
        if gone:
            ec2.volumes.delete(old.id)
        with pytest.raises(exception.InvalidOperation, match="holds no file system"):
            drives.attach("data", site.get("c").master_node, "/data")
    assert desk.done.count("master: mkfs ext4") == 1


def test_what_is_not_mounted_is_told_with_the_way_to_take_it_away(
    site: Site, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    used(site, "data")
    drives = Drives(site)
    [volume] = [one.id for one in drives.records.get("data").forms]
    desk.damaged.add(volume)
    with pytest.raises(exception.InvalidOperation):
        drives.attach("data", site.get("c").master_node, "/data")
    assert f"{volume} stays attached to master: starcluster drive detach data" in caplog.text


def test_snapshots_that_failed_are_pruned(site: Site, ec2: FakeEc2) -> None:
    kept = used(site, "data")
    failed = Drives(site).snapshot("data")
    ec2.snapshots.spoil(failed.id)
    assert Drives(site).prune("data").snapshots == (failed.id,)
    assert list(ec2.snapshots.all) == [kept]
