"""Drives at nodes of a cluster in memory: made, brought, kept, given back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from starcluster import exception
from starcluster.cluster.drives.drive import Drive
from starcluster.cluster.drives.keeping import Drives
from starcluster.model import Volume
from starcluster.ssh.access import Access
from tests.fakes.ec2 import FakeEc2
from tests.unit.cluster.volumes.conftest import Desk, Machine, Site

SHAPE = {"size": 3, "filesystem": "xfs"}


def machine(site: Site, alias: str = "node001") -> Machine:
    """The node, with a way to drives of its own."""
    instance = site.get("c").get_node(alias).described
    made = Machine(instance, ec2=site.ec2, access=Access(key_file=None, clock=site.clock), clusters=site)
    made.desk = site.desk
    return made


def drive(site: Site) -> Drive:
    return Drives(site).records.get("data")


def present(site: Site) -> Volume:
    form = drive(site).present
    assert form is not None
    return form.volume


def test_a_drive_is_made_formatted_and_mounted_and_then_left_alone(site: Site, desk: Desk) -> None:
    node = machine(site)
    assert node.attach_drive("data", "/data/", shape=SHAPE, keep="2 last") == "/data"
    assert desk.done == ["node001: mkfs xfs", "node001: check", "node001: mount /data"]
    assert (present(site).size, drive(site).record.keep) == (3, "2 last")
    node.attach_drive("data", "/data", shape=SHAPE)
    assert desk.done == ["node001: mkfs xfs", "node001: check", "node001: mount /data"]


def test_without_a_size_there_must_be_one(site: Site) -> None:
    with pytest.raises(exception.UserMustAct, match="there is no drive 'data'") as caught:
        machine(site).attach_drive("data", "/data", shape={})
    assert "drive create data SIZE" in caught.value.hint
    Drives(site).create("data", shape=SHAPE, keep="1 last")
    machine(site).attach_drive("data", "/data", shape={})
    assert drive(site).record.keep == "1 last", "it is as it was made"


def test_of_two_that_make_it_at_once_one_does(site: Site, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch) -> None:
    drives = Drives(site)
    monkeypatch.setattr(drives.records, "exists", lambda name: False)
    drives.create("data", shape=SHAPE, keep="1 last")
    drives.ensure("data", shape={"size": 9}, keep="")
    assert drive(site).record.shape["size"] == 3


def test_it_goes_from_node_to_node_and_is_given_back_only_by_who_has_it(site: Site, desk: Desk) -> None:
    master, node = machine(site, "master"), machine(site)
    node.attach_drive("data", "/data", shape=SHAPE)
    with pytest.raises(exception.UserMustAct, match=r"is in use by node001 of c \(i-"):
        master.attach_drive("data", "/data", shape=SHAPE)
    master.detach_drive("data")
    assert present(site).holder is not None, "it is not the master's to give back"
    node.detach_drive("data")
    node.detach_drive("data")
    assert present(site).holder is None
    assert desk.done[-1] == "node001: unmount /data by force"
    master.attach_drive("data", "/data", shape=SHAPE)
    assert desk.done[-1] == "master: mount /data"


def test_a_machine_of_no_cluster_gets_none(site: Site) -> None:
    with pytest.raises(exception.InvalidOperation, match="no node of a cluster"):
        site.get("c").get_node("node001").attach_drive("data", "/data", shape=SHAPE)


def test_what_can_not_be_tidied_up_is_mounted_all_the_same(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def prune(self: Drives, name: str) -> None:
        asked.append(name)
        raise exception.TransientError("busy")

    monkeypatch.setattr(Drives, "prune", prune)
    assert machine(site).attach_drive("data", "/data", shape=SHAPE) == "/data"
    assert asked == ["data"]


@pytest.mark.parametrize(
    ("may_lose", "age", "lossy"),
    [(0.0, 10.0, False), (0.0, -3600.0, False), (60.0, 59.0, True), (60.0, 61.0, False), (60.0, -3600.0, True)],
)
def test_when_an_older_state_will_do(
    site: Site, monkeypatch: pytest.MonkeyPatch, may_lose: float, age: float, lossy: bool
) -> None:
    """Also by a clock that is an hour behind EC2's."""
    drives, node = Drives(site), machine(site)
    drives.bring("data", node, "/data", shape=SHAPE)
    drives.snapshot("data")
    for one in list(site.ec2.snapshots.all.values()):  # type: ignore[attr-defined]
        started = site.clock.now() - timedelta(seconds=age)
        site.ec2.snapshots.all[one.id] = replace(one, started=started)  # type: ignore[attr-defined]
    site.ec2.advance()  # type: ignore[attr-defined]
    asked: list[bool] = []
    bring = drives._hands.bring

    def noting(name: str, target: object) -> object:
        asked.append(target.lossy)  # type: ignore[attr-defined]
        return bring(name, target)  # type: ignore[arg-type]

    monkeypatch.setattr(drives._hands, "bring", noting)
    drives.attach("data", node, "/data", may_lose=may_lose)
    assert asked == [lossy]


def test_a_drive_is_not_brought_to_a_machine_that_is_gone(site: Site, ec2: FakeEc2) -> None:
    node = machine(site)
    Drives(site).create("data", shape=SHAPE, keep="1 last")
    ec2.instances.terminate([node.id])
    ec2.advance()
    with pytest.raises(exception.InstanceNotRunning, match="does not go there any more"):
        Drives(site).attach("data", node, "/data")
    assert drive(site).entries == (), "nothing was decided for it"
