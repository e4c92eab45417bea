"""Clusters in the hands of programs, in memory and without SSH."""

from __future__ import annotations

import pytest

from starcluster import exception
from starcluster.cluster import adding
from starcluster.cluster.joining import Joined
from starcluster.cluster.node import Node
from starcluster.library.cluster import Cluster
from starcluster.library.config import StarClusterConfig
from starcluster.library.manager import ClusterManager
from starcluster.model import InstanceState
from tests.fakes.ec2 import FakeEc2
from tests.unit.library import greeting


@pytest.fixture
def made(cfg: StarClusterConfig) -> Cluster:
    """A cluster whose machines run, not set up: there is no SSH here."""
    cluster = cfg.get_cluster_template("small", "mycluster")
    cluster.start(create_only=True)
    return cluster


def test_it_is_there_before_it_is_started(cfg: StarClusterConfig) -> None:
    cluster = cfg.get_cluster_template("small", "mycluster")
    assert (cluster.cluster_tag, cluster.nodes, cluster.running_nodes) == ("mycluster", [], [])
    assert (cluster.is_cluster_up(), cluster.is_cluster_stopped(), cluster.is_cluster_terminated()) == (
        False,
        False,
        True,
    )
    assert (cluster.cluster_size, cluster.node_instance_type, cluster.spot_bid) == (2, "t3.micro", None)
    assert (cluster.refresh_interval, cluster.volumes, cluster.plugins[0].word) == (5, {}, "hello")
    with pytest.raises(exception.ClusterDoesNotExist):
        _ = cluster.master_node
    assert [one.cluster_tag for one in cfg.get_clusters()] == ["small"]


def test_settings_are_changed_before_the_start(cfg: StarClusterConfig, ec2: FakeEc2) -> None:
    cluster = cfg.get_cluster_template("small")
    cluster.cluster_tag, cluster.spot_bid, cluster.node_instance_type = "other", "0.05", "t3.small"
    cluster.update({"cluster_size": "3"})
    cluster.start(create_only=True)
    assert [node.alias for node in cluster.nodes] == ["master", "node001", "node002"]
    assert {node.instance_type for node in cluster.nodes} == {"t3.small"}
    assert [node.is_spot() for node in cluster.nodes] == [False, True, True]
    assert repr(cluster) == "<Cluster: other (3-node)>"


def test_is_valid_tells_why_not(cfg: StarClusterConfig, ec2: FakeEc2, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = cfg.get_cluster_template("small", "mycluster")
    assert cluster.is_valid()
    cluster.availability_zone = "us-east-1x"
    assert not cluster.is_valid()
    assert "us-east-1x" in capsys.readouterr().err
    cluster.start(validate=False, validate_only=True)
    assert (ec2.instances.all, cluster.nodes) == ({}, [])


def test_one_that_is_there_is_not_started_again(made: Cluster, cm: ClusterManager) -> None:
    with pytest.raises(exception.ClusterExists):
        made.start()
    with pytest.raises(exception.InvalidOperation, match="not made of a template"):
        cm.get_cluster("mycluster").start()


def test_what_is_found_has_the_settings_of_its_record(made: Cluster, cm: ClusterManager) -> None:
    found = cm.get_cluster("mycluster", group=None, load_receipt=False, require_keys=False)
    assert (found.cluster_size, found.master_instance_type, found.node_image_id) == (2, "t3.micro", "ami-1")
    assert (found.cluster_user, found.keyname, found.zone) == ("sgeadmin", "mykey", "us-east-1a")
    assert (found.master_node.alias, found.get_node("1").alias, found._nodes[0].placement) == (
        "master",
        "node001",
        "us-east-1a",
    )
    assert (found.cluster_group.name, found.region) == ("@sc-mycluster", "us-east-1")
    with pytest.raises(AttributeError, match=r"no nonsense here: docs/library\.md"):
        _ = found.nonsense


def test_up_stopped_terminated(made: Cluster, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = {"master": ""}
    monkeypatch.setattr(Node, "ssh_trouble", lambda node: trouble.get(node.alias, ""))
    assert made.is_cluster_up()
    trouble["master"] = "no route"
    assert not made.is_cluster_up()
    ec2.instances.stop([node.id for node in made.nodes])
    while any(node.state is not InstanceState.STOPPED for node in made.nodes):
        ec2.advance()
    assert (made.is_cluster_stopped(), made.is_cluster_up()) == (True, False)
    made.terminate_cluster(force=True)
    assert (made.is_cluster_terminated(), made.is_cluster_stopped(), made.nodes) == (True, False, [])


def test_nodes_are_added_as_addnode_does(made: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def add(cluster: object, aliases: list[str], wish: adding.AddWish) -> Joined:
        asked.append((aliases, wish.bid, wish.instance_type, wish.zone))
        return Joined(failed={"b": exception.ClusterError("no")} if "b" in aliases else {})

    monkeypatch.setattr(adding, "add", add)
    made.add_node(alias="mynode", spot_bid="0.1", instance_type="t3.small")
    made.add_nodes(2, zone="us-east-1b")
    assert asked == [(["mynode"], 0.1, "t3.small", ""), (["node002", "node003"], None, "", "us-east-1b")]
    with pytest.raises(exception.ClusterError, match="not added to cluster 'mycluster': b: no"):
        made.add_nodes(2, ["a", "b"])
    with pytest.raises(exception.ClusterValidationError, match="has a node 'node001' already"):
        made.add_node("node001")
    with pytest.raises(exception.UsageError):
        made.add_nodes(3, ["a", "b"])
    assert len(asked) == 3


def test_the_last_workers_go_unless_others_are_named(made: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = []
    monkeypatch.setattr(
        "starcluster.cluster.lifecycle.remove_node",
        lambda _, node, *, force, terminate: gone.append((node.alias, force, terminate)),
    )
    made.remove_nodes()
    made.remove_node("node001", terminate=False, force=True)
    made.remove_node(made.nodes[1])
    assert gone == [("node001", False, True), ("node001", True, False), ("node001", False, True)]


def test_plugins_by_name_and_by_hook(made: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Node, "ssh_trouble", lambda _: "")
    greeting.HEARD.clear()
    made.run_plugin("greet")
    node = made.get_node("node001")
    made.run_plugins(method_name="on_add_node", node=node)
    assert [(word, hook) for word, hook, _ in greeting.HEARD] == [("hello", "run"), ("hello", "on_add_node")]
    assert [one.alias for one in greeting.HEARD[0][2][0]] == ["master", "node001"]
    assert greeting.HEARD[1][2][0].alias == "node001"


def test_a_command_on_a_node(made: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    monkeypatch.setattr(Node, "shell", lambda node, **words: ran.append((node.alias, words)) or 7)
    assert made.ssh_to_master(command="uptime") == 7
    made.ssh_to_node(made.nodes[1].id, user="me", command="w", forward_x11=True)
    assert ran == [
        ("master", {"user": "root", "command": "uptime"}),
        ("node001", {"user": "me", "command": "w", "forward_x11": True}),
    ]
