"""Ends: stop, terminate, removal, in memory and without SSH."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from starcluster import exception
from starcluster.cluster import lifecycle, record
from starcluster.cluster.cluster import Cluster, Clusters
from starcluster.cluster.node import Node
from starcluster.cluster.record import READY
from starcluster.clustersetup import ClusterSetup
from starcluster.model import InstanceState, Market
from tests.fakes.ec2 import FakeEc2
from tests.unit.cluster.test_starting import begin


def test_terminate_leaves_nothing_and_keeps_data_volumes(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters, cluster_size=2, spot_bid=0.1)
    volume = ec2.volumes.create(1, "us-east-1a")
    ec2.advance()
    ec2.volumes.attach(volume.id, cluster.master_node.id, "/dev/sdf")
    ec2.templates.create("sc-c-alice", {record.CLUSTER: "c"}, {"ImageId": "ami-1"})
    ec2.templates.create("sc-d-bob", {record.CLUSTER: "d"}, {"ImageId": "ami-1"})
    lifecycle.terminate(cluster, force=True)
    assert all(one.state.is_gone for one in ec2.instances.all.values())
    assert not any(request.state.is_live for request in ec2.spot.find())
    assert clusters.all() == []
    assert ec2.templates.get("sc-c-alice") is None
    assert ec2.templates.get("sc-d-bob") is not None
    assert [one.id for one in ec2.volumes.find()] == [volume.id]


def test_who_is_ended_is_told_as_starcluster_did(
    clusters: Clusters, ec2: FakeEc2, capsys: pytest.CaptureFixture[str]
) -> None:
    for tag, force in (("c", False), ("d", True)):
        cluster = begin(clusters, tag=tag, cluster_size=2, spot_bid=0.1)
        master, node = cluster.nodes
        [request] = ec2.spot.find(cluster=tag)
        capsys.readouterr()
        lifecycle.terminate(cluster, force=force)
        said = capsys.readouterr().out.splitlines()
        assert f">>> Canceling spot instance request: {request.id}" in said
        ended = [line for line in said if line.startswith(">>> Terminating ")]
        if force:
            assert said[0].startswith("*** WARNING - ")
            assert ended == [f">>> Terminating {master.id}", f">>> Terminating {node.id}"]
        else:
            assert ended[1] == f">>> Terminating node: node001 ({node.id})"


def test_no_cluster_is_touched_when_another_name_is_wrong(clusters: Clusters) -> None:
    begin(clusters)
    clusters.check(["c"])
    with pytest.raises(exception.ClusterDoesNotExist, match="'nosuch'"):
        clusters.check(["c", "nosuch"])


def test_terminate_goes_on_after_an_interruption(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters, cluster_size=2)
    ec2.fail_next("network.delete_group", KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        lifecycle.terminate(cluster, force=True)
    again = clusters.get("c")
    assert again.phase == record.PHASE_TERMINATING
    lifecycle.terminate(again, force=True)
    assert clusters.all() == []


def test_a_driver_that_launches_meanwhile_is_outlived(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    late = lifecycle.launch_request(
        cluster, alias="late", instance_type="t3.micro", zone="us-east-1a", market=Market.ON_DEMAND, token="t"
    )
    seen: list[int] = []
    original = ec2.instances.terminate

    def terminate(ids: list[str]) -> None:
        original(ids)
        if not seen:
            seen.append(1)
            ec2.instances.launch(late)

    ec2.instances.terminate = terminate  # type: ignore[method-assign]
    lifecycle.terminate(cluster, force=True)
    assert len(ec2.instances.all) == 2
    assert all(one.state.is_gone for one in ec2.instances.all.values())


def test_an_unreadable_record_needs_force(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    ec2.network.untag_group(cluster.group.id, ["@sc-core-1"])
    damaged = clusters.get("c")
    with pytest.raises(exception.IncompatibleCluster):
        lifecycle.terminate(damaged)
    lifecycle.terminate(damaged, force=True)
    assert clusters.all() == []


def test_stop_refuses_spot_nodes_unless_told_to_end_them(
    clusters: Clusters, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = begin(clusters, cluster_size=2, spot_bid=0.1)
    with pytest.raises(exception.InvalidOperation, match="node001"):
        lifecycle.stop(cluster)
    forgotten: list[str] = []
    monkeypatch.setattr(lifecycle, "forget_node", lambda cluster, alias: forgotten.append(alias))
    lifecycle.stop(cluster, terminate_unstoppable=True, force=True)
    assert forgotten == ["node001"]
    states = {one.alias: one.state for one in ec2.instances.all.values()}
    assert states == {"master": InstanceState.STOPPED, "node001": InstanceState.TERMINATED}


def test_the_master_is_not_removed(clusters: Clusters) -> None:
    cluster = begin(clusters)
    with pytest.raises(exception.InvalidOperation, match="master"):
        lifecycle.remove_node(cluster, cluster.master_node)


def test_a_newer_record_is_not_worked_on(clusters: Clusters, ec2: FakeEc2) -> None:
    begin(clusters, cluster_size=2)
    ec2.network.tag_group(clusters.get("c").group.id, {record.SCHEMA: "7"})
    cluster = clusters.get("c")
    with pytest.raises(exception.RecordError):
        lifecycle.remove_node(cluster, cluster.get_node("node001"))


@pytest.mark.parametrize("tags", [{"@sc-schema": "99", "@sc-version": "9.9"}, {"@sc-schema": "0"}])
def test_stop_goes_on_without_the_record_by_force_only(clusters: Clusters, ec2: FakeEc2, tags: dict[str, str]) -> None:
    group = begin(clusters).group
    ec2.network.tag_group(group.id, tags)
    with pytest.raises(exception.RecordError):
        lifecycle.stop(clusters.get("c"))
    assert not ec2.count("instances.stop")
    lifecycle.stop(clusters.get("c"), force=True)
    assert ec2.count("instances.stop")


@pytest.mark.parametrize("has_heir", [True, False])
def test_what_belongs_to_the_name_stays_when_another_instance_has_it(
    clusters: Clusters, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch, has_heir: bool
) -> None:
    cluster = begin(clusters, cluster_size=2)
    old = cluster.get_node("node001")
    if has_heir:
        request = lifecycle.launch_request(
            cluster, alias="node001", instance_type="t3.micro", zone="us-east-1a", market=Market.SPOT, token="t"
        )
        ec2.instances.launch(request)
    left: list[str] = []
    monkeypatch.setattr(lifecycle, "_leave", lambda cluster, node, force: left.append(node.id))
    monkeypatch.setattr(type(old), "is_ssh_up", lambda node: False)
    lifecycle.remove_node(clusters.get("c"), old, force=True)
    assert left == ([] if has_heir else [old.id])
    assert ec2.instances.all[old.id].state.is_gone


def test_a_name_means_its_instance_that_is_set_up_and_not_the_one_being_prepared(
    clusters: Clusters, ec2: FakeEc2
) -> None:
    cluster = begin(clusters, cluster_size=2)
    old = cluster.get_node("node001")
    request = lifecycle.launch_request(
        cluster, alias="node001", instance_type="t3.micro", zone="us-east-1a", market=Market.SPOT, token="t"
    )
    (new,) = ec2.instances.launch(request)
    ec2.advance()
    ec2.instances.tag([old.id], {READY: "boot-1"})
    assert clusters.get("c").get_node("node001").id == old.id
    ec2.instances.tag([new.id], {READY: "boot-1"})
    assert clusters.get("c").get_node("node001").id == new.id, "of two that are set up the newest"
    ec2.instances.terminate([new.id])
    ec2.advance()
    assert clusters.get("c").get_node("node001").id == old.id


class Saver(ClusterSetup):
    def on_shutdown(self, *_: object) -> None:  # type: ignore[override]
        raise exception.RemoteCommandFailed("the bucket is full")


def test_terminate_ends_nothing_when_a_plugin_can_not_do_its_part(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    ec2.advance()
    cluster.__dict__["plugins"] = [Saver()]
    with pytest.raises(exception.PluginError, match="the bucket is full") as caught:
        lifecycle.terminate(cluster)
    assert "terminate -f c" in caught.value.hint
    assert cluster.load().running_nodes
    assert clusters.get("c").phase != record.PHASE_TERMINATING
    lifecycle.terminate(cluster, force=True)
    assert clusters.all() == []


def test_terminate_of_a_start_that_did_not_end_waits_for_no_plugin(
    clusters: Clusters, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Cluster, "set_phase", killed)
        with pytest.raises(KeyboardInterrupt):
            begin(clusters)
    ec2.advance()
    cluster = clusters.get("c")
    cluster.__dict__["plugins"] = [Saver()]
    lifecycle.terminate(cluster)
    assert clusters.all() == []


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_root_volume_of_a_stopped_node_only_is_deleted(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    ec2.advance()
    node = cluster.load().master_node
    root = node.block_device_mapping[node.root_device_name].volume_id
    with pytest.raises(exception.InvalidOperation, match="only a stopped node"):
        node.delete_root_volume()
    node.stop()
    ec2.advance()
    node.delete_root_volume()
    assert root not in [one.id for one in ec2.volumes.find()]
    assert node.block_device_mapping == {}
    node.delete_root_volume()


def test_a_twin_is_the_same_node_with_a_connection_of_its_own(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    ec2.advance()
    node = cluster.load().master_node
    twin = node.twin()
    assert twin is node.twin()
    assert (twin.id, twin.alias, repr(twin)) == (node.id, node.alias, repr(node))
    assert twin.ssh is not node.ssh
    before = twin.ssh
    node.forget_connection()
    assert twin.ssh is not before
    node.give_up("it is dead")
    with pytest.raises(exception.SSHConnectionError, match="it is dead"):
        _ = node.twin().ssh


class Rebooting:
    """The nodes' side of a restart: who uses /home, who was rebooted, and who came back."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, busy: tuple[str, ...] = (), silent: tuple[str, ...] = ()
    ) -> None:
        self.story: list[str] = []
        self.boots: dict[str, int] = {}
        self.busy, self.silent = busy, silent
        for name in ("boot_id", "leave_shares", "reboot"):
            monkeypatch.setattr(Node, name, self.by_name(name))

    def by_name(self, name: str) -> Callable[[Node], object]:
        return lambda node: getattr(self, name)(node)

    def boot_id(self, node: Node) -> str:
        if self.boots.get(node.alias, 0) and f"{node.alias} is back" not in self.story:
            self.story.append(f"{node.alias} is back")
        return f"boot {self.boots.get(node.alias, 0)}"

    def leave_shares(self, node: Node) -> bool:
        if node.alias in self.silent:
            raise exception.SSHConnectionError("nobody answers")
        return node.alias not in self.busy

    def reboot(self, node: Node) -> None:
        self.boots[node.alias] = 1
        self.story.append(f"{node.alias} goes")


@pytest.mark.parametrize(
    ("who", "story"),
    [
        ({}, ["master goes", "node001 goes", "node002 goes"]),
        ({"busy": ("node002",)}, ["node002 goes", "node002 is back", "master goes", "node001 goes"]),
        ({"silent": ("node001",)}, ["node001 goes", "node001 is back", "master goes", "node002 goes"]),
        (
            {"busy": ("node001", "node002")},
            ["node001 goes", "node002 goes", "node001 is back", "node002 is back", "master goes"],
        ),
    ],
)
def test_no_worker_shuts_down_with_the_masters_home_while_the_master_is_away(
    clusters: Clusters, monkeypatch: pytest.MonkeyPatch, who: dict[str, tuple[str, ...]], story: list[str]
) -> None:
    begin(clusters, cluster_size=3)
    scene = Rebooting(monkeypatch, **who)
    lifecycle.restart(clusters.get("c"), reboot_only=True)
    assert scene.story == story
