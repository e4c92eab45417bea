"""attachvolume and detachvolume: nothing is hidden, nothing torn away, and who is in the way is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster.mounting import AttachWish, attach_volume, check_path, detach_volume
from starcluster.model import AttachmentState, InstanceState, Volume
from tests.fakes.ec2 import FakeEc2
from tests.unit.cluster.volumes.conftest import Desk, Site

Make = Callable[..., Volume]


def wish(volume: Volume, **words: Any) -> AttachWish:
    return AttachWish(volume=volume.id, tag="c", **{"path": "/data", **words})


def now(ec2: FakeEc2, volume: Volume) -> Volume:
    return ec2.volumes.all[volume.id]


def test_it_is_repaired_before_it_is_mounted(site: Site, make: Make, desk: Desk) -> None:
    volume = make()
    assert attach_volume(site, wish(volume)) == "/data"
    assert desk.done == ["master: check", "master: mount /data"]
    assert attach_volume(site, wish(volume)) == "/data"  # once more changes nothing
    assert desk.done == ["master: check", "master: mount /data"]


def test_on_a_named_node_and_without_a_mount(site: Site, make: Make, desk: Desk, ec2: FakeEc2) -> None:
    volume = make()
    assert attach_volume(site, wish(volume, node="node001", path="")) == f"/dev/{volume.id}"
    holder = now(ec2, volume).holder
    assert holder
    assert holder.instance_id == site.get("c").get_node("node001").id
    assert desk.done == []


def test_what_is_damaged_is_not_mounted_and_stays_to_be_looked_at(
    site: Site, make: Make, desk: Desk, ec2: FakeEc2, caplog: pytest.LogCaptureFixture
) -> None:
    volume = make()
    desk.damaged.add(volume.id)
    with pytest.raises(exception.InvalidOperation):
        attach_volume(site, wish(volume))
    assert "master: mount /data" not in desk.done
    assert now(ec2, volume).holder
    assert "stays attached" in caplog.text


def test_what_is_refused(site: Site, make: Make, held: Make, desk: Desk) -> None:
    volume = make()
    with pytest.raises(exception.InvalidOperation, match="is in us-east-1b, master in us-east-1a") as caught:
        attach_volume(site, wish(make(zone="us-east-1b")))
    assert "copyvolume" in caught.value.hint
    for words in ({"node": "node001", "share": True}, {"path": "", "share": True}):
        with pytest.raises(exception.UsageError, match="--share needs"):
            attach_volume(site, wish(volume, **words))
    with pytest.raises(exception.InvalidOperation, match="holds no file system"):
        attach_volume(site, wish(make(holds="")))
    desk.there["master"] = ["precious"]
    with pytest.raises(exception.InvalidOperation, match=r"there are files \(precious\) at /data"):
        attach_volume(site, wish(volume))
    held()
    with pytest.raises(exception.InvalidOperation, match="is mounted at /data"):
        attach_volume(site, wish(volume))
    with pytest.raises(exception.ConflictError, match="is held by node001"):
        attach_volume(site, wish(held(alias="node001", path="/x")))


@pytest.mark.parametrize("path", ["data", "/a b", "/a/../etc", "/", "/home", "/home/", "/usr"])
def test_a_path_at_which_nothing_should_be_mounted(path: str) -> None:
    with pytest.raises(exception.UsageError):
        check_path(path)


def test_a_node_that_does_not_run(site: Site, make: Make, ec2: FakeEc2) -> None:
    ec2.auto_advance = False
    ec2.instances._set(site.get("c").master_node.id, state=InstanceState.STOPPED)
    with pytest.raises(exception.BaseException, match="not running but stopped"):
        attach_volume(site, wish(make()))


def test_shared_it_is_mounted_everywhere_and_later_nodes_know(site: Site, make: Make, desk: Desk) -> None:
    volume = make(tags={"Name": "data"})
    attach_volume(site, wish(volume, share=True))
    assert desk.done[2:] == ["master: nfs server", "master: export /data to node001", "node001: mount share /data"]
    [known] = site.get("c").record.volumes
    assert (known.name, known.volume_id, known.mount_path) == ("data", volume.id, "/data")
    desk.mounts.clear()
    with pytest.raises(exception.ConflictError, match="is shared at /data already"):
        attach_volume(site, wish(make(), share=True))


# -- away


def test_it_is_unmounted_and_free(site: Site, held: Make, desk: Desk, ec2: FakeEc2) -> None:
    volume = held()
    detach_volume(site, volume)
    assert desk.done == ["master: unmount /data"]
    assert now(ec2, volume).holder is None
    detach_volume(site, now(ec2, volume))


def test_where_it_is_shared_all_leave_it_first(site: Site, make: Make, desk: Desk, ec2: FakeEc2) -> None:
    volume = make()
    attach_volume(site, wish(volume, share=True))
    desk.done.clear()
    detach_volume(site, now(ec2, volume))
    assert desk.done == ["node001: unmount /data", "master: unexport /data", "master: unmount /data"]
    assert site.get("c").record.volumes == ()


@pytest.mark.parametrize("alias", ["master", "node001"])
def test_who_holds_it_is_named_and_nothing_torn_away(
    site: Site, make: Make, desk: Desk, ec2: FakeEc2, alias: str
) -> None:
    volume = make()
    attach_volume(site, wish(volume, share=True))
    desk.busy[alias, "/data"] = ["  12 root  sleep 500"]
    with pytest.raises(exception.ConflictError, match=r"12 root  sleep 500") as caught:
        detach_volume(site, now(ec2, volume))
    assert "--force" in caught.value.hint
    assert now(ec2, volume).holder
    assert ec2.count("volumes.detach") == 0
    detach_volume(site, now(ec2, volume), force=True)
    assert f"{alias}: unmount /data by force" in desk.done
    assert now(ec2, volume).holder is None


def test_home_stays_while_its_cluster_lives(site: Site, held: Make, ec2: FakeEc2) -> None:
    volume = held(path="/home")
    with pytest.raises(exception.ConflictError, match="is /home of cluster c"):
        detach_volume(site, volume)
    assert ec2.count("volumes.detach") == 0


def test_a_machine_that_is_not_reached_keeps_it_unless_forced(site: Site, held: Make, desk: Desk, ec2: FakeEc2) -> None:
    volume = held()
    desk.away.add("master")
    with pytest.raises(exception.ConflictError, match=r"held by master of cluster c .* can not be reached") as caught:
        detach_volume(site, volume)
    assert "LOST" in caught.value.hint
    detach_volume(site, volume, force=True)
    assert now(ec2, volume).holder is None


def test_what_a_killed_run_has_begun_to_take_away_is_waited_for(
    site: Site, held: Make, desk: Desk, ec2: FakeEc2
) -> None:
    volume = held()
    holder = volume.holder
    assert holder
    desk.mounts.clear()
    ec2.auto_advance = False
    ec2.volumes.detach(volume.id, instance_id=holder.instance_id)
    going = now(ec2, volume)
    assert going.holder
    assert going.holder.state is AttachmentState.DETACHING
    ec2.auto_advance = True
    desk.taken.add(volume.id)
    detach_volume(site, going)
    assert (desk.done, now(ec2, volume).holder) == ([], None)


def test_a_detachment_that_waits_for_the_node_to_unmount_gets_on(
    site: Site, held: Make, desk: Desk, ec2: FakeEc2
) -> None:
    volume = held()
    holder = volume.holder
    assert holder
    detach_volume(site, replace(volume, attachments=(replace(holder, state=AttachmentState.DETACHING),)))
    assert (desk.done, now(ec2, volume).holder) == (["master: unmount /data"], None)


def test_what_is_being_attached_is_taken_away_when_it_is_there(
    site: Site, make: Make, desk: Desk, ec2: FakeEc2
) -> None:
    volume = make()
    ec2.auto_advance = False
    ec2.volumes.attach(volume.id, site.get("c").master_node.id, "/dev/sdf")
    coming = now(ec2, volume)
    assert coming.holder
    assert coming.holder.state is AttachmentState.ATTACHING
    ec2.auto_advance = True
    detach_volume(site, coming)
    assert now(ec2, volume).holder is None


def test_an_instance_of_nobody_is_named_as_that(site: Site, held: Make, ec2: FakeEc2) -> None:
    volume = held()
    holder = volume.holder
    assert holder
    ec2.instances._set(holder.instance_id, tags={"Name": "theirs"})
    with pytest.raises(exception.ConflictError, match=r"\(theirs\), an instance of no cluster of this config"):
        detach_volume(site, volume)


def test_a_stopped_machine_gives_it_back(site: Site, held: Make, desk: Desk, ec2: FakeEc2) -> None:
    volume = held()
    holder = volume.holder
    assert holder
    ec2.auto_advance = False
    ec2.instances._set(holder.instance_id, state=InstanceState.STOPPED)
    ec2.auto_advance = True
    detach_volume(site, volume)
    assert (desk.done, now(ec2, volume).holder) == ([], None)
