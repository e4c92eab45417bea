"""What a node says of itself from what EC2 told."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime

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


def test_the_instance_has_botos_names_and_follows_the_node() -> None:
    ec2 = FakeEc2()
    known = {
        "public_ip": "127.77.0.9",
        "private_ip": "172.31.0.9",
        "public_dns": "ec2-127-77-0-9.example.org",
        "private_dns": "ip-172-31-0-9.ec2.internal",
        "zone": "us-east-1a",
        "launched": datetime(2026, 1, 31, 12, tzinfo=UTC),
        "group_ids": ("sg-1",),
        "group_names": ("@sc-x",),
    }
    instance = Instance(id="i-1", state=InstanceState.RUNNING, **known)  # type: ignore[arg-type]
    node = Node(instance, ec2=ec2, access=Access(key_file=None))  # type: ignore[arg-type]
    names = "ip_address private_ip_address public_dns_name private_dns_name placement launch_time id state".split()
    assert [getattr(node.instance, name) for name in names] == [getattr(node, name) for name in names]
    assert [(group.id, group.name) for group in node.instance.groups] == [("sg-1", "@sc-x")]
    assert (node._alias, node.instance._placement) == (node.alias, node.placement), "plugins read these, too"
    assert copy.copy(node.instance).id == "i-1"
    ec2.instances.all["i-1"] = replace(instance, state=InstanceState.STOPPED)
    assert node.instance.update() == "stopped"
    node.update()
    assert node.instance.state == "stopped"
