"""ClusterManager: clusters and their groups by name."""

from __future__ import annotations

import pytest

from starcluster import exception
from starcluster.library.cluster import Cluster
from starcluster.library.manager import ClusterManager
from tests.fakes.ec2 import FakeEc2


def test_clusters_by_name(cm: ClusterManager, capsys: pytest.CaptureFixture[str]) -> None:
    cm.list_clusters()
    assert "No clusters found" in capsys.readouterr().out
    assert (cm.get_clusters(), cm.get_cluster_or_none("a"), cm.cluster_exists("a")) == ([], None, False)
    with pytest.raises(exception.ClusterDoesNotExist, match="cluster 'a' does not exist"):
        cm.get_cluster("a")
    cm.get_cluster_template(cm.get_default_cluster_template(), "a").start(create_only=True)
    assert [one.cluster_tag for one in cm.get_clusters(load_receipt=False)] == ["a"]
    assert cm.cluster_exists("a")
    found = cm.get_cluster_or_none("a")
    assert found is not None
    assert len(found.nodes) == 2
    capsys.readouterr()
    cm.list_clusters()
    every = capsys.readouterr().out
    cm.list_clusters(cm.get_cluster_security_groups())
    assert capsys.readouterr().out == every
    assert "\na (security group: @sc-a)\n" in every


def test_groups(cm: ClusterManager, ec2: FakeEc2) -> None:
    cm.get_cluster_template("small", "a").start(create_only=True)
    [group] = cm.get_cluster_security_groups()
    assert (group.name, cm.get_tag_from_sg(group.name), cm.get_tag_from_sg(group)) == ("@sc-a", "a", "a")
    assert cm.get_cluster_security_group("@sc-a").id == cm.get_cluster_security_group("a").id == group.id
    assert cm.get_cluster_group_or_none("b") is None
    with pytest.raises(exception.SecurityGroupDoesNotExist):
        cm.get_cluster_security_group("@sc-b")


@pytest.mark.parametrize(
    ("verb", "words", "method"),
    [
        ("add_node", ("a", "mynode"), "add_node"),
        ("add_nodes", ("a", 2), "add_nodes"),
        ("remove_node", ("a", "node001"), "remove_node"),
        ("remove_nodes", ("a", 1), "remove_nodes"),
        ("restart_cluster", ("a",), "restart_cluster"),
        ("stop_cluster", ("a",), "stop_cluster"),
        ("terminate_cluster", ("a",), "terminate_cluster"),
        ("ssh_to_master", ("a",), "ssh_to_master"),
        ("ssh_to_cluster_node", ("a", "node001"), "ssh_to_node"),
    ],
)
def test_verbs_go_to_the_cluster(
    cm: ClusterManager, monkeypatch: pytest.MonkeyPatch, verb: str, words: tuple[object, ...], method: str
) -> None:
    cm.get_cluster_template("small", "a").start(create_only=True)
    asked = []
    monkeypatch.setattr(Cluster, method, lambda cluster, *_, **__: asked.append(cluster.cluster_tag))
    getattr(cm, verb)(*words)
    with pytest.raises(exception.ClusterDoesNotExist):
        getattr(cm, verb)("other", *words[1:])
    assert asked == ["a"]


def test_a_plugin_by_name(cm: ClusterManager, monkeypatch: pytest.MonkeyPatch) -> None:
    cm.get_cluster_template("small", "a").start(create_only=True)
    asked = []
    monkeypatch.setattr(Cluster, "run_plugin", lambda cluster, plugin: asked.append((cluster.cluster_tag, plugin)))
    cm.run_plugin("greet", "a")
    assert asked == [("a", "greet")]
