"""copyvolume: what a copy has, and that what a kill at any call of EC2 leaves is cleared up by the next run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster.copying import CopyWish, RestoreWish, copy_volume, restore_volume
from starcluster.cluster.volumes import MAKING
from starcluster.model import Volume
from tests.fakes.ec2 import FakeEc2, fake_error
from tests.unit.cluster.volumes.conftest import HOST, Desk, Site
from tests.unit.cluster.volumes.killing import kills

Make = Callable[..., Volume]


def ask(source: Volume, **words: Any) -> CopyWish:
    return CopyWish(source=source.id, zone="us-east-1b", host=HOST, **words)


def test_a_copy_has_the_sources_shape_and_tags_but_its_own_name(site: Site, held: Make, ec2: FakeEc2) -> None:
    source = held(size=100, iops=4000, encrypted=True, tags={"Name": "home", "team": "a", "@sc-x": "1"})
    made = copy_volume(site, ask(source, name="home-b", tags={"k": "v"}))
    assert (made.size, made.kind, made.iops, made.encrypted, made.zone) == (100, "gp3", 4000, True, "us-east-1b")
    assert made.tags == {"@sc-schema": "1", "Name": "home-b", "team": "a", "k": "v"}
    assert ec2.snapshots.all == {}
    assert ec2.volumes.all[source.id] == source


def test_the_snapshot_may_be_kept_and_the_copy_be_another_kind(site: Site, make: Make, ec2: FakeEc2) -> None:
    made = copy_volume(site, ask(make(10, iops=4000), kind="gp2", keep_snapshot=True))
    assert (made.kind, made.iops) == ("gp2", None)
    [kept] = ec2.snapshots.all.values()
    assert kept.tags == {"@sc-schema": "1"}


def test_a_larger_copy_grows(site: Site, make: Make, desk: Desk) -> None:
    source = make(1)
    assert copy_volume(site, replace(ask(source, size=5), zone="us-east-1a")).size == 5
    assert desk.done == ["master: growpart", "master: grow"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"size": 1}, "do not fit into 1 GB"),
        ({"zone": "us-east-1z"}, "no zone 'us-east-1z'"),
        ({"name": "taken"}, "a volume named 'taken' exists"),
        ({"kind": "st1"}, "125 to 16384"),
        ({"size": 3, "host": replace(HOST, keyname="nokey")}, "key pair 'nokey' does not exist"),
    ],
)
def test_what_can_not_be_is_refused_before_a_snapshot_is_made(
    site: Site, make: Make, ec2: FakeEc2, words: dict[str, Any], said: str
) -> None:
    source = make(2)
    make(1, tags={"Name": "taken"})
    with pytest.raises(exception.BaseException, match=said):
        copy_volume(site, replace(ask(source), **words))
    assert ec2.count("snapshots.create") == 0


@pytest.mark.parametrize("method", ["volumes.create", "snapshots.create", "volumes.tag", "snapshots.find"])
def test_a_refusal_leaves_nothing(site: Site, make: Make, ec2: FakeEc2, method: str) -> None:
    source = make()
    before = set(ec2.volumes.all)
    ec2.fail_next(method, fake_error("UnauthorizedOperation"))
    with pytest.raises(exception.PermissionDenied):
        copy_volume(site, ask(source))
    assert set(ec2.snapshots.all) == set()
    left = {one for one in set(ec2.volumes.all) - before if MAKING not in ec2.volumes.all[one].tags}
    assert left == set()


def test_a_snapshot_that_fails_leaves_nothing(site: Site, make: Make, ec2: FakeEc2) -> None:
    source = make()
    before = set(ec2.volumes.all)
    create = ec2.snapshots.create

    def failing(*words: Any, **more: Any) -> Any:
        made = create(*words, **more)
        ec2.snapshots.spoil(made.id)
        return made

    ec2.snapshots.create = failing  # type: ignore[method-assign]
    with pytest.raises(exception.ConflictError, match="failed"):
        copy_volume(site, ask(source))
    assert (set(ec2.volumes.all), ec2.snapshots.all) == (before, {})


def _finished(ec2: FakeEc2, name: str) -> bool:
    return any(one.name == name and MAKING not in one.tags for one in ec2.volumes.all.values())


def _check_one(ec2: FakeEc2, before: set[str], name: str) -> None:
    """One volume of that name, free and handed out, and nothing else. Then it is deleted, for the next point."""
    made = set(ec2.volumes.all) - before
    assert len(made) == 1, (name, made)
    volume = ec2.volumes.all[made.pop()]
    assert (volume.name, volume.holder, MAKING in volume.tags) == (name, None, False)
    ec2.volumes.delete(volume.id)


@pytest.mark.parametrize("size", [1, 3])
def test_after_a_kill_at_any_call_the_next_run_ends_right(site: Site, make: Make, ec2: FakeEc2, size: int) -> None:
    source = make(1, tags={"Name": "home"})
    before = set(ec2.volumes.all)

    def copy(name: str) -> Volume:
        return copy_volume(site, replace(ask(source, name=name, size=size), zone="us-east-1a"))

    points = 0
    for name in kills(copy, ec2):
        points += 1
        if not _finished(ec2, name):
            copy(name)
        _check_one(ec2, before, name)
        assert ec2.snapshots.all == {}, name
    assert points > 20


@pytest.mark.parametrize("size", [1, 2])
def test_a_restore_that_was_killed_goes_on(site: Site, make: Make, ec2: FakeEc2, size: int) -> None:
    snapshot = ec2.snapshots.create(make(1).id)
    ec2.advance()
    ec2.advance()
    before = set(ec2.volumes.all)

    def restore(name: str) -> Volume:
        return restore_volume(
            site, RestoreWish(snapshot=snapshot.id, zone="us-east-1a", host=HOST, name=name, size=size)
        )

    points = 0
    for name in kills(restore, ec2):
        points += 1
        left = set(ec2.volumes.all) - before
        if not _finished(ec2, name):
            assert left <= {restore(name).id}, name
        _check_one(ec2, before, name)
    assert points > 10
