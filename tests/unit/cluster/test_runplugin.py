"""runplugin wants a cluster that is wholly up, as StarCluster did."""

from __future__ import annotations

from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster import setup
from starcluster.cluster.cluster import Clusters
from starcluster.cluster.node import Node
from starcluster.clustersetup import ClusterSetup
from starcluster.model import SpotRequest, SpotState
from tests.fakes.ec2 import FakeEc2
from tests.unit.cluster.test_starting import begin


class Notes(ClusterSetup):
    def __init__(self) -> None:
        self.ran = 0

    def run(self, *_: Any) -> None:
        self.ran += 1


@pytest.mark.parametrize("trouble", ["", "stopped", "open request", "mute"])
def test_it_runs_only_where_all_are_up(
    clusters: Clusters, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    cluster, plugin = begin(clusters, cluster_size=2), Notes()
    mute = trouble == "mute"
    monkeypatch.setattr(Node, "ssh_trouble", lambda node: "no route" if mute and not node.is_master() else "")
    if trouble == "stopped":
        ec2.instances.stop([cluster.get_node("node001").id])
    if trouble == "open request":
        tags = cluster.resource_tags("node002")
        ec2.spot.all["sir-1"] = SpotRequest(id="sir-1", state=SpotState.OPEN, code="pending-evaluation", tags=tags)
    if not trouble:
        setup.run_plugin(cluster.load(), plugin)
    else:
        told = {"open request": "sir-1", "mute": r"node001 does not answer \(no route\)"}.get(trouble, "node001")
        with pytest.raises(exception.ClusterNotRunning, match=told):
            setup.run_plugin(cluster.load(), plugin)
    assert plugin.ran == (0 if trouble else 1)
