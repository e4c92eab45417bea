"""start in memory: what is launched, how it is tagged, what a repeated or failed start leaves."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from starcluster import exception
from starcluster.cluster import adding, lifecycle, record, sshrules, starting
from starcluster.cluster.adding import AddWish
from starcluster.cluster.cluster import Cluster, Clusters
from starcluster.cluster.node import Node
from starcluster.cluster.record import NodeKind
from starcluster.clustersetup import ClusterSetup, WantedNode
from starcluster.config.schema import PermissionSettings
from starcluster.model import InstanceState, Market
from tests.fakes.ec2 import FakeEc2
from tests.unit.cluster.conftest import record_with


class Wants(ClusterSetup):
    def __init__(self, *nodes: WantedNode) -> None:
        self.nodes = nodes

    def wanted_nodes(self) -> tuple[WantedNode, ...]:
        return self.nodes


def begin(clusters: Clusters, *plugins: ClusterSetup, tag: str = "c", **changes: object) -> Cluster:
    return starting.start(clusters, tag, record_with(**changes), plugins, create_only=True)


def test_the_master_is_on_demand_and_workers_are_spot_with_a_bid(clusters: Clusters) -> None:
    cluster = begin(clusters, cluster_size=3, spot_bid=0.1)
    assert [(node.alias, node.described.market) for node in cluster.nodes] == [
        ("master", Market.ON_DEMAND),
        ("node001", Market.SPOT),
        ("node002", Market.SPOT),
    ]
    forced = begin(clusters, tag="d", spot_bid=0.1, force_spot_master=True)
    assert forced.master_node.is_spot()


def test_everything_is_tagged_by_the_call_that_makes_it(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters, cluster_size=2, spot_bid=0.1)
    for request in ec2.instances.requests.values():
        assert request.tags[record.CLUSTER] == "c"
        assert request.tags[record.ALIAS] == request.tags[record.NAME]
    assert cluster.group.tags[record.CLUSTER] == "c"
    assert [spot.tags[record.ALIAS] for spot in cluster.spot_requests] == ["node001"]


def test_a_start_makes_each_plugin_once(clusters: Clusters) -> None:
    plugin = ClusterSetup()
    assert begin(clusters, plugin).plugins == [plugin]


def test_ssh_is_let_in_from_the_caller_only(clusters: Clusters, ec2: FakeEc2) -> None:
    rules = clusters.get(begin(clusters).tag).group.permissions
    assert [(rule.protocol, rule.from_port, rule.cidr) for rule in rules if rule.cidr] == [
        ("tcp", 22, "203.0.113.9/32")
    ]
    assert any(rule.group_id and rule.protocol == "-1" for rule in rules)


def test_nobody_has_to_be_let_in_anew_after_a_start(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    assert sshrules.changes(cluster.group.permissions, ["203.0.113.9/32"]) == ([], [])
    assert len(cluster.group.permissions) == len(clusters.get("c").group.permissions)


def test_a_permission_that_covers_ssh_takes_the_callers_place() -> None:
    own = PermissionSettings(name="lan", from_port=1, to_port=1000, cidr_ip="10.0.0.0/8")
    rules = starting.permissions_of([own], callers=["203.0.113.9/32"], group_id="sg-1")
    assert [rule.cidr for rule in rules if rule.cidr] == ["10.0.0.0/8"]


def test_types_per_worker_and_names_with_prefix() -> None:
    wanted = record_with(
        cluster_size=4,
        dns_prefix="c",
        node_kinds=(NodeKind(instance_type="m5.large"), NodeKind(instance_type="c5.large")),
    )
    specs = starting.specs_of(wanted, [], zone="")
    assert [(spec.alias, spec.instance_type) for spec in specs] == [
        ("c-master", "t3.micro"),
        ("c-node001", "m5.large"),
        ("c-node002", "c5.large"),
        ("c-node003", "t3.micro"),
    ]


def test_workers_go_to_the_masters_zone(clusters: Clusters) -> None:
    cluster = begin(clusters, cluster_size=3, zone="")
    assert len({node.placement for node in cluster.nodes}) == 1


def test_a_start_that_was_killed_is_taken_up_without_launching_twice(
    clusters: Clusters, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(starting.waiting, "wait_running", killed)
        with pytest.raises(KeyboardInterrupt):
            begin(clusters, cluster_size=3)
    before = set(ec2.instances.all)
    assert before
    cluster = begin(clusters, cluster_size=3)
    assert len(cluster.nodes) == 3
    assert before <= {node.id for node in cluster.nodes}
    assert len(ec2.instances.all) == 3


def test_an_unfinished_start_is_not_taken_up_with_other_settings(clusters: Clusters, ec2: FakeEc2) -> None:
    ec2.fail_next("instances.find", KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        begin(clusters)
    with pytest.raises(exception.ClusterExists, match="other settings"):
        begin(clusters, cluster_size=2)


def test_an_existing_cluster_is_refused(clusters: Clusters) -> None:
    begin(clusters)
    with pytest.raises(exception.ClusterExists) as caught:
        begin(clusters)
    assert "restart" in caught.value.hint


def test_a_stopped_cluster_is_refused_with_start_x(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    ec2.instances.stop([cluster.master_node.id])
    ec2.advance()
    with pytest.raises(exception.ClusterExists) as caught:
        begin(clusters)
    assert "start -x" in caught.value.hint


def test_a_refused_launch_leaves_nothing(clusters: Clusters, ec2: FakeEc2) -> None:
    ec2.refuse("InsufficientInstanceCapacity", market="spot")
    with pytest.raises(exception.ShortageError):
        begin(clusters, cluster_size=2, spot_bid=0.1)
    assert clusters.find("c") is None
    assert all(one.state.is_gone for one in ec2.instances.all.values())


def test_a_shortage_of_a_named_spot_worker_does_not_stop_the_start(clusters: Clusters, ec2: FakeEc2) -> None:
    ec2.refuse("InsufficientInstanceCapacity", market="spot")
    cluster = begin(clusters, Wants(WantedNode(alias="alice")))
    assert [node.alias for node in cluster.nodes] == ["master"]


def test_named_workers_are_launched_with_the_cluster(clusters: Clusters) -> None:
    cluster = begin(clusters, Wants(WantedNode(alias="VD2D", instance_type="c5.large", bid=0.2)))
    node = cluster.get_node("vd2d")
    assert (node.alias, node.instance_type, node.is_spot()) == ("VD2D", "c5.large", True)


def test_passing_troubles_are_waited_out(clusters: Clusters, ec2: FakeEc2) -> None:
    ec2.fail_next("instances.launch", exception.TransientError("busy", code="RequestLimitExceeded"), times=3)
    assert len(begin(clusters).nodes) == 1


def test_a_name_is_launched_again_after_its_instance_is_gone(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters, cluster_size=2)
    first = cluster.get_node("node001").id
    ec2.instances.terminate([first])
    ec2.advance()
    spec = starting.specs_of(cluster.record, [], zone="us-east-1a")[1]
    again = lifecycle.launch_nodes(cluster, [spec])
    assert again[0].id != first
    assert again[0].alias == "node001"


def test_resume_starts_what_is_stopped(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters, cluster_size=2)
    lifecycle.stop(cluster, force=True)
    assert {node.state for node in cluster.load().nodes} == {InstanceState.STOPPED}
    starting.resume(cluster, create_only=True)
    assert {node.state for node in cluster.nodes} == {InstanceState.RUNNING}


def test_check_same_ignores_the_programs_version(clusters: Clusters) -> None:
    cluster = begin(clusters)
    starting.check_same(cluster, dataclasses.replace(cluster.record, version="other"))


def test_a_cluster_whose_instances_are_gone_is_not_taken_over(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    ec2.instances.terminate([cluster.master_node.id])
    ec2.advance()
    with pytest.raises(exception.ClusterExists) as caught:
        begin(clusters)
    assert "starcluster terminate c removes what is left (volumes stay), then start" in caught.value.hint
    with pytest.raises(exception.ClusterNotRunning, match="all are terminated") as caught_too:
        starting.resume(clusters.get("c"))
    assert "starcluster terminate c" in caught_too.value.hint


def test_a_node_is_found_without_the_clusters_prefix(clusters: Clusters) -> None:
    cluster = begin(clusters, tag="c2", cluster_size=2, dns_prefix="c2")
    assert cluster.get_node("node001").alias == cluster.get_node(1).alias == "c2-node001"
    assert cluster.get_node("c2-node001").alias == "c2-node001"
    with pytest.raises(exception.NodeDoesNotExist):
        cluster.get_node("node002")


@pytest.mark.parametrize(("there", "shell"), [(["/bin/zsh"], "zsh"), ([], "bash")])
def test_plugins_are_told_the_shell_that_the_user_has(
    clusters: Clusters, monkeypatch: pytest.MonkeyPatch, there: list[str], shell: str
) -> None:
    cluster = begin(clusters, cluster_shell="zsh")
    monkeypatch.setattr(Node, "ssh", SimpleNamespace(which=lambda program: there))
    assert cluster.hook_arguments()[3] == shell


def test_launches_that_come_together_look_for_the_subnet_once(clusters: Clusters, ec2: FakeEc2) -> None:
    asked: list[str] = []
    subnets = ec2.network.subnets
    ec2.network.subnets = lambda **words: (asked.append(words["zone"]), subnets(**words))[1]  # type: ignore[method-assign]
    cluster = begin(clusters, cluster_size=9)
    assert asked == ["us-east-1a"]
    spec = lifecycle.NodeSpec(alias="later", instance_type="t3.micro", image="ami-1", zone="us-east-1a")
    cluster.clock.sleep(61)
    lifecycle.launch_nodes(cluster, [spec])
    assert asked == ["us-east-1a"] * 2


def test_a_start_that_goes_on_tells_who_was_there_already(
    clusters: Clusters, ec2: FakeEc2, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = begin(clusters, cluster_size=2)
    ec2.instances.terminate([cluster.get_node("node001").id])
    ec2.advance()
    capsys.readouterr()
    starting._launch(cluster, (), again=True)
    out = capsys.readouterr().out
    assert ">>> Found master: " in out
    assert ">>> Launched node001: " in out
    assert "it has 1 node: " in starting.already_there(cluster).hint


LARGE = {"master_type": "c5.large", "node_type": "c5.large", "placement_group": True}


def test_a_placement_group_is_made_with_the_clusters_tags_and_ends_with_it(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters, Wants(WantedNode(alias="far", market=Market.SPOT)), cluster_size=3, **LARGE)
    assert ec2.network.placement_groups["@sc-c"][record.CLUSTER] == "c"
    placed = {one.tags[record.ALIAS]: one.placement_group for one in ec2.instances.requests.values()}
    assert placed == {"master": "@sc-c", "node001": "@sc-c", "node002": "@sc-c", "far": ""}
    lifecycle.terminate(clusters.get(cluster.tag), force=True)
    assert ec2.network.placement_groups == {}


def test_no_placement_group_is_made_or_asked_for_unasked(clusters: Clusters, ec2: FakeEc2) -> None:
    begin(clusters, master_type="c5.large", node_type="c5.large")
    lifecycle.terminate(clusters.get("c"), force=True)
    assert not [name for name, _ in ec2.calls if "placement" in name]


@pytest.mark.parametrize("where", ["network.create_placement_group", "instances.launch"])
def test_a_start_that_was_killed_leaves_no_placement_group_behind_its_end(
    clusters: Clusters, ec2: FakeEc2, where: str
) -> None:
    ec2.fail_next(where, KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        begin(clusters, **LARGE)
    lifecycle.terminate(clusters.get("c"), force=True)
    assert ec2.network.placement_groups == {}
    assert clusters.all() == []


def test_a_launch_that_is_refused_leaves_no_placement_group(clusters: Clusters, ec2: FakeEc2) -> None:
    ec2.refuse("InvalidParameterValue")
    with pytest.raises(exception.AWSError):
        begin(clusters, **LARGE)
    assert ec2.network.placement_groups == {}
    assert clusters.all() == []


def test_in_a_placement_group_workers_follow_the_master_into_its_zone() -> None:
    wanted = record_with(cluster_size=2, zone="", zones=("us-east-1a", "us-east-1b"), **LARGE)
    assert [spec.zones for spec in starting.specs_of(wanted, [], zone="")] == [("us-east-1a", "us-east-1b")] * 2
    placed = starting.specs_of(wanted, [], zone="us-east-1b")[1]
    assert (placed.zone, placed.zones) == ("us-east-1b", ())


@pytest.mark.parametrize(
    ("wish", "group"),
    [
        (AddWish(), "@sc-c"),
        (AddWish(instance_type="m5.large"), "@sc-c"),
        (AddWish(instance_type="t3.micro"), ""),
        (AddWish(zone="us-east-1b"), ""),
    ],
)
def test_nodes_that_are_added_are_in_the_placement_group_where_they_can_be(
    clusters: Clusters, ec2: FakeEc2, wish: AddWish, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(clusters, **LARGE)
    monkeypatch.setattr("starcluster.cluster.joining.set_up_node", lambda *_, **__: None)
    adding.add(clusters.get("c"), ["node001"], wish)
    [request] = [one for one in ec2.instances.requests.values() if one.tags[record.ALIAS] == "node001"]
    assert request.placement_group == group
