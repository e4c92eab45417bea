"""createvolume and restorevolume: what is checked, who formats, and what is left after a failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster import record
from starcluster.cluster.copying import RestoreWish, restore_volume
from starcluster.cluster.volumehosts import running_host
from starcluster.cluster.volumes import MAKING, VolumeWish, create_volume
from starcluster.model import Market, Volume, VolumeShape
from tests.fakes.ec2 import FakeEc2, fake_error
from tests.unit.cluster.volumes.conftest import HOST, Desk, Site

Make = Callable[..., Volume]


def wish(size: int = 1, zone: str = "us-east-1a", **words: Any) -> VolumeWish:
    return VolumeWish(shape=VolumeShape(size=size), zone=zone, host=HOST, **words)


def test_a_node_that_runs_formats_it_and_stays(site: Site, desk: Desk, ec2: FakeEc2) -> None:
    made = create_volume(site, wish(name="data", tags={"k": "v"}, filesystem="xfs"))
    assert desk.done == ["master: mkfs xfs"]
    assert (made.holder, made.tags) == (None, {"@sc-schema": "1", "Name": "data", "k": "v"})
    assert all(one.state.is_alive for one in ec2.instances.all.values())


def test_the_master_first_and_only_who_is_set_up_and_lets_us_in(site: Site, desk: Desk, ec2: FakeEc2) -> None:
    def chosen() -> str:
        node = running_host(site, "us-east-1a")
        return node.alias if node else ""

    assert chosen() == "master"
    master = site.get("c").master_node.id
    ec2.instances._set(master, market=Market.SPOT)
    assert chosen() == "node001"
    desk.away.add("node001")
    assert chosen() == "master"
    ec2.instances.untag([master], [record.READY])
    assert chosen() == ""
    assert running_host(site, "us-east-1b") is None


@pytest.mark.parametrize("zone", ["us-east-1z", "us-east-1a"])
def test_nothing_is_made_of_what_can_not_be(site: Site, ec2: FakeEc2, zone: str) -> None:
    asked = wish(name="taken", zone=zone)
    ec2.volumes.create(1, "us-east-1b", tags={"Name": "taken"})
    before = set(ec2.volumes.all)
    with pytest.raises((exception.InvalidZone, exception.ConflictError)):
        create_volume(site, asked)
    with pytest.raises(exception.UserMustAct, match="'ntfs' can not be made"):
        create_volume(site, wish(filesystem="ntfs"))
    assert set(ec2.volumes.all) == before


def test_a_failure_leaves_no_volume(site: Site, ec2: FakeEc2) -> None:
    before = set(ec2.volumes.all)
    ec2.fail_next("volumes.attach", fake_error("AttachmentLimitExceeded"))
    with pytest.raises(exception.QuotaError):
        create_volume(site, wish())
    assert set(ec2.volumes.all) == before


def test_leftovers_are_told(site: Site, ec2: FakeEc2, caplog: pytest.LogCaptureFixture) -> None:
    left = ec2.volumes.create(1, "us-east-1a", tags={MAKING: "unnamed"})
    create_volume(site, wish())
    assert f"{left.id} was left by a command that did not end" in caplog.text


# -- from a snapshot


@pytest.fixture
def snapshot(site: Site, make: Make, ec2: FakeEc2) -> str:
    made = ec2.snapshots.create(make(2, tags={"team": "a"}).id, tags={"team": "a", "Name": "s", "@sc-call": "1"})
    ec2.advance()
    ec2.advance()
    return made.id


def test_a_restored_volume_has_the_snapshots_size_and_tags_and_is_not_formatted(
    site: Site, desk: Desk, snapshot: str
) -> None:
    made = restore_volume(site, RestoreWish(snapshot="s", zone="us-east-1b", host=HOST, name="r", tags={"k": "v"}))
    assert (made.size, made.zone, made.snapshot_id) == (2, "us-east-1b", snapshot)
    assert made.tags == {"@sc-schema": "1", "Name": "r", "team": "a", "k": "v"}
    assert desk.done == []


def test_what_a_larger_one_holds_grows(site: Site, desk: Desk, snapshot: str) -> None:
    assert restore_volume(site, RestoreWish(snapshot=snapshot, zone="us-east-1a", host=HOST, size=5)).size == 5
    assert desk.done == ["master: growpart", "master: grow"]


def test_formatting_over_a_snapshot_needs_force(site: Site, desk: Desk, ec2: FakeEc2, snapshot: str) -> None:
    create = ec2.volumes.create

    def holding(*words: Any, **more: Any) -> Volume:
        made = create(*words, **more)
        desk.on[made.id] = "ext4"
        return made

    ec2.volumes.create = holding  # type: ignore[method-assign]
    before = set(ec2.volumes.all)
    asked = wish(2, snapshot_id=snapshot, filesystem="xfs")
    with pytest.raises(exception.InvalidOperation, match="it holds ext4"):
        create_volume(site, asked)
    assert set(ec2.volumes.all) == before
    create_volume(site, replace(asked, force=True))
    assert desk.done == ["master: mkfs xfs"]


def test_a_snapshot_that_can_not_be_used_is_refused(site: Site, make: Make, ec2: FakeEc2, snapshot: str) -> None:
    before = set(ec2.volumes.all)
    asked = RestoreWish(snapshot=snapshot, zone="us-east-1a", host=HOST, size=1)
    with pytest.raises(exception.UserMustAct, match="do not fit into 1 GB"):
        restore_volume(site, asked)
    ec2.auto_advance = False
    fresh = ec2.snapshots.create(next(iter(before)))
    with pytest.raises(exception.ConflictError, match="not completed yet: 0 %"):
        restore_volume(site, replace(asked, snapshot=fresh.id, size=9))
    ec2.snapshots.spoil(fresh.id, "no key")
    with pytest.raises(exception.ConflictError, match=r"of no use .*no key"):
        restore_volume(site, replace(asked, snapshot=fresh.id, size=9))
    assert set(ec2.volumes.all) == before


def test_the_same_words_make_another_one_once_the_first_is_handed_out(site: Site, ec2: FakeEc2, snapshot: str) -> None:
    asked = RestoreWish(snapshot=snapshot, zone="us-east-1a", host=HOST)
    first, second = restore_volume(site, asked), restore_volume(site, asked)
    assert first.id != second.id
    ec2.volumes.delete(first.id)
    assert restore_volume(site, asked).id not in (first.id, second.id)


def test_tokens_come_to_an_end(site: Site, ec2: FakeEc2, snapshot: str) -> None:
    asked = RestoreWish(snapshot=snapshot, zone="us-east-1a", host=HOST)
    for _ in range(100):
        ec2.volumes.delete(restore_volume(site, asked).id)
    with pytest.raises(exception.ConflictError, match="100 volumes were made") as caught:
        restore_volume(site, asked)
    assert "--name" in caught.value.hint
