"""Drives' verbs on a cluster in memory: what a kill at any call of EC2 leaves is gone on from by the next run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest

from starcluster import exception
from starcluster.cluster.drives.drive import DRIVE, MARK, Form
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


# -- every verb, every call


@dataclass(frozen=True, kw_only=True)
class Verb:
    """`before`: what there is; `do`: the verb, again and again; `done`: whether all of it has come about."""

    before: Callable[[Site, str], object]
    do: Callable[[Site, str], object]
    done: Callable[[Site, str], bool]


def new(site: Site, name: str) -> None:
    Drives(site).create(name, shape={"size": 1}, keep="1 last")


def mounted(site: Site, name: str) -> None:
    new(site, name)
    to_master(site, name)


def superseded(site: Site, name: str) -> None:
    used(site, name)
    far = Drives(site).move(name, THERE)
    site.desk.on[far.id] = "ext4"
    back = Drives(site).move(name, HERE)
    site.desk.on[back.id] = "ext4"
    to_master(site, name)
    Drives(site).detach(name)
    Drives(site).snapshot(name)


def to_master(site: Site, name: str) -> None:
    drives, master = Drives(site), site.get("c").master_node
    for volume in site.ec2.volumes.find(filters={f"tag:{DRIVE}": name}):
        if volume.snapshot_id:
            site.desk.on[volume.id] = "ext4"
    drives.attach(name, master, f"/{name}")


def present(site: Site, name: str) -> Form | None:
    return Drives(site).records.get(name).present


def at_master(site: Site, name: str) -> bool:
    form = present(site, name)
    holder = form.volume.holder if form else None
    here = holder is not None and holder.instance_id == site.get("c").master_node.id
    return bool(here and form and form.proven and site.desk.mounts.get(("master", form.id)) == f"/{name}")


def free(site: Site, name: str) -> bool:
    form = present(site, name)
    return bool(form and form.volume.holder is None and not site.desk.mounts)


VERBS = {
    "attach_first": Verb(before=new, do=to_master, done=at_master),
    "attach_here": Verb(before=used, do=to_master, done=at_master),
    "detach": Verb(before=mounted, do=lambda site, name: Drives(site).detach(name), done=free),
    "move": Verb(
        before=used,
        do=lambda site, name: Drives(site).move(name, THERE),
        done=lambda site, name: bool((form := present(site, name)) and form.volume.zone == THERE),
    ),
    "prune": Verb(
        before=superseded,
        do=lambda site, name: [Drives(site).prune(name), Drives(site).prune(name)],
        done=lambda site, name: len(Drives(site).records.get(name).shots) == 1,
    ),
    "snapshot": Verb(
        before=mounted,
        do=lambda site, name: Drives(site).snapshot(name),
        done=lambda site, name: bool(Drives(site).records.get(name).shots) and not site.desk.frozen,
    ),
    "remove": Verb(before=used, do=lambda site, name: remove(site, name), done=lambda site, name: not left(site, name)),
}


def remove(site: Site, name: str) -> None:
    with suppress(exception.NotFoundError):
        Drives(site).remove(name)


def left(site: Site, name: str) -> Counter[str]:
    """What there is of the drive in all of EC2."""
    ec2 = site.ec2
    found = {"volumes": ec2.volumes.find(), "snapshots": ec2.snapshots.find(), "templates": ec2.templates.tagged(DRIVE)}
    return Counter(kind for kind, all_ in found.items() for one in all_ if one.tags.get(DRIVE) == name)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_may_be_killed_at_every_call(site: Site, ec2: FakeEc2, verb: str, *, after: bool) -> None:
    it, undisturbed = VERBS[verb], "undisturbed"
    it.before(site, undisturbed)
    it.do(site, undisturbed)
    assert it.done(site, undisturbed)
    leaves = left(site, undisturbed)
    remove_all(site, undisturbed)
    for at in range(1, 200):
        name, killed = f"data{at}", True
        it.before(site, name)
        with suppress(Killed), Killing(ec2, at, after=after):
            it.do(site, name)
            killed = False
        it.do(site, name)
        assert it.done(site, name), at
        more = left(site, name)
        if verb == "snapshot":  # each time one more, which the next prune lets go
            more["snapshots"] = min(more["snapshots"], leaves["snapshots"])
        assert more == leaves, at
        remove_all(site, name)
        if not killed:
            return
    raise AssertionError("it makes more calls")


def remove_all(site: Site, name: str) -> None:
    with suppress(exception.NotFoundError):
        Drives(site).detach(name)
        Drives(site).remove(name)
    site.ec2.instances._set(site.get("c").master_node.id, block_devices=())
