"""Volumes of a node over stop and start -x: what is noted, and what comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster import leftdisks
from starcluster.cluster.cluster import Cluster, Clusters
from starcluster.cluster.leftdisks import LeftDisk
from starcluster.cluster.node import Node
from starcluster.cluster.record import PluginRecord, VolumeRecord
from tests.fakes.ec2 import FakeEc2
from tests.unit.cluster.test_starting import begin


@pytest.mark.parametrize(
    "disk",
    [
        LeftDisk(volume_id="vol-1", device="/dev/sdf"),
        LeftDisk(volume_id="vol-2", device="/dev/sdg", path="/data"),
        LeftDisk(volume_id="vol-3", device="/dev/xvdba", partition=2, path="/with blanks"),
    ],
)
def test_a_note_is_read_as_it_was_written(disk: LeftDisk) -> None:
    assert leftdisks.noted(disk.tag) == [disk]


def test_foreign_and_broken_tags_are_no_notes() -> None:
    assert leftdisks.noted({"Name": "x", "@sc-disk-vol-1": "/dev/sdf"}) == []


class Disks:
    """What a node does with disks, in the place of SSH."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mounted: dict[str, str] = {}
        words: dict[str, Any] = {
            "find_volume_device": lambda node, volume_id, device="", **_: f"/disk/{volume_id}",
            "mount_points_of": lambda node, device: [path for path, one in self.mounted.items() if one == device],
            "mounted_device": lambda node, path: self.mounted.get(path, ""),
            "choose_partition": lambda node, device, partition=None: device,
            "check_filesystem": lambda node, device: None,
            "mount_device": lambda node, device, path: self.mounted.update({path: device}),
        }
        for name, job in words.items():
            monkeypatch.setattr(Node, name, job)


@pytest.fixture
def disks(monkeypatch: pytest.MonkeyPatch) -> Disks:
    return Disks(monkeypatch)


def with_volumes(ec2: FakeEc2, cluster: Cluster, **tags: dict[str, str]) -> dict[str, str]:
    """Volumes on the worker, by name."""
    made = {}
    for number, (name, more) in enumerate(tags.items()):
        volume = ec2.volumes.create(1, "us-east-1a", tags=more)
        ec2.advance()
        ec2.volumes.attach(volume.id, cluster.get_node("node001").id, f"/dev/sd{'fghi'[number]}")
        made[name] = volume.id
    ec2.advance()
    cluster.load()
    return made


def test_what_was_there_comes_back(clusters: Clusters, ec2: FakeEc2, disks: Disks) -> None:
    cluster = begin(clusters, cluster_size=2)
    ids = with_volumes(ec2, cluster, mounted={}, bare={}, drive={"@sc-drive": "d"})
    disks.mounted["/data"] = f"/disk/{ids['mounted']}"
    leftdisks.note(cluster, cluster.get_node("node001"))
    for volume_id in ids.values():
        ec2.volumes.detach(volume_id)
    ec2.advance()
    disks.mounted.clear()
    node = cluster.load().get_node("node001")
    leftdisks.bring_back(node)
    holders = {name: bool(ec2.volumes.all[volume_id].holder) for name, volume_id in ids.items()}
    assert holders == {"mounted": True, "bare": True, "drive": False}
    assert disks.mounted == {"/data": f"/disk/{ids['mounted']}"}
    assert leftdisks.noted(dict(cluster.load().get_node("node001").tags)) == []


def test_the_clusters_own_volumes_are_not_noted(clusters: Clusters, ec2: FakeEc2, disks: Disks) -> None:
    cluster = begin(clusters, cluster_size=2)
    ids = with_volumes(ec2, cluster, home={})
    mine = VolumeRecord(name="home", volume_id=ids["home"], mount_path="/home")
    import dataclasses

    cluster.save(dataclasses.replace(cluster.record, volumes=(mine,)))
    leftdisks.note(cluster, cluster.get_node("node001"))
    assert leftdisks.noted(dict(cluster.load().get_node("node001").tags)) == []


def test_what_is_gone_keeps_nobody_from_starting(
    clusters: Clusters, ec2: FakeEc2, disks: Disks, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = begin(clusters, cluster_size=2)
    ids = with_volumes(ec2, cluster, gone={}, kept={})
    leftdisks.note(cluster, cluster.get_node("node001"))
    for volume_id in ids.values():
        ec2.volumes.detach(volume_id)
    ec2.advance()
    ec2.volumes.delete(ids["gone"])
    leftdisks.bring_back(cluster.load().get_node("node001"))
    assert ec2.volumes.all[ids["kept"]].holder
    assert f"does not get {ids['gone']} back" in caplog.text


def test_a_plugin_that_can_not_be_made_is_left_out_with_force_only(
    clusters: Clusters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raises_at_the_end.py").write_text(
        "from starcluster.clustersetup import ClusterSetup\n"
        "class Raises(ClusterSetup):\n"
        "    def __init__(self):\n"
        "        raise ValueError('boom')\n"
        "class Good(ClusterSetup):\n"
        "    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = [PluginRecord(name=name, setup_class=f"raises_at_the_end.{name}") for name in ("Good", "Raises")]
    begin(clusters, plugins=tuple(plugins))
    cluster = clusters.get("c")  # the start has made them itself, later commands make them of the record
    with pytest.raises(exception.PluginError, match="boom") as caught:
        cluster.last_first()
    assert "-f" in caught.value.hint
    assert [type(one).__name__ for one in cluster.last_first(force=True)] == ["Good"]
