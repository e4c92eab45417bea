"""What a node says of itself from what EC2 told."""

from __future__ import annotations

import pytest

from starcluster.model import Instance, InstanceState
from starcluster.node import Node
from starcluster.ssh.access import Access
from tests.fakes.ec2 import FakeEc2


@pytest.mark.parametrize(
    ("kind", "gpu", "cluster"),
    [
        ("g5.xlarge", True, False),
        ("gr6.4xlarge", True, False),
        ("p4d.24xlarge", True, False),
        ("cg1.4xlarge", True, False),
        ("cc2.8xlarge", False, True),
        ("cr1.8xlarge", False, True),
        ("c5.large", False, False),
        ("m6g.large", False, False),
    ],
)
def test_families_of_types(kind: str, gpu: bool, cluster: bool) -> None:
    instance = Instance(id="i-1", state=InstanceState.RUNNING, instance_type=kind)
    node = Node(instance, ec2=FakeEc2(), access=Access(key_file=None))  # type: ignore[arg-type]
    assert (node.is_gpu_compute(), node.is_cluster_compute()) == (gpu, cluster)
    assert node.is_cluster_type() is (gpu or cluster)
