"""A volume that EC2 attaches without end is taken back and asked for again; SSH that never opens is told."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster import attaching, waiting
from starcluster.cluster.cluster import Clusters
from starcluster.cluster.node import Node
from starcluster.model import AttachmentState
from tests.fakes.ec2 import FakeEc2, fake_error
from tests.unit.cluster.test_starting import begin


@pytest.fixture
def node(clusters: Clusters) -> Node:
    return begin(clusters, cluster_size=2).get_node("node001")


def hang(ec2: FakeEc2, times: int) -> list[str]:
    """The next attachments stay `attaching`; the device names that were asked for."""
    asked: list[str] = []
    attach, get = ec2.volumes.attach, ec2.volumes.get

    def attaching_for_ever(volume_id: str, instance_id: str, device: str) -> None:
        asked.append(device)
        attach(volume_id, instance_id, device)

    def seen(volume_id: str) -> Any:
        volume = get(volume_id)
        if len(asked) > times:
            return volume
        held = [dataclasses.replace(one, state=AttachmentState.ATTACHING) for one in volume.attachments]
        return dataclasses.replace(volume, attachments=tuple(held))

    ec2.volumes.attach = attaching_for_ever  # type: ignore[method-assign]
    ec2.volumes.get = seen  # type: ignore[method-assign]
    return asked


def volume(ec2: FakeEc2) -> str:
    made = ec2.volumes.create(1, "us-east-1a")
    ec2.advance()
    return made.id


@pytest.mark.parametrize(("device", "asked"), [("", ["/dev/sdf", "/dev/sdg"]), ("/dev/sdz", ["/dev/sdz"] * 2)])
def test_a_stuck_attachment_is_asked_for_again(ec2: FakeEc2, node: Node, device: str, asked: list[str]) -> None:
    disk = volume(ec2)
    seen = hang(ec2, times=1)
    before = node.clock.monotonic()
    assert attaching.attach(node, disk, device) == asked[-1]
    assert seen == asked
    assert waiting.ATTACH_LIMIT <= node.clock.monotonic() - before < 2 * waiting.ATTACH_LIMIT


def test_one_that_hangs_each_time_is_left_free_and_told(ec2: FakeEc2, node: Node) -> None:
    disk = volume(ec2)
    seen = hang(ec2, times=99)
    with pytest.raises(exception.VolumeStuck, match="could not be attached to node001") as caught:
        attaching.attach(node, disk)
    assert seen == ["/dev/sdf", "/dev/sdg", "/dev/sdh"]
    assert "removenode" in caught.value.hint
    assert not ec2.volumes.all[disk].attachments


class Shut(Node):
    """Nobody listens there."""

    def learn_host_keys(self, *, limit: float) -> list[Any]:
        return []


@pytest.mark.parametrize("readable", [True, False])
def test_ssh_that_never_opens_is_told_with_ec2s_own_checks(ec2: FakeEc2, node: Node, readable: bool) -> None:
    shut = Shut(node.described, ec2=ec2, access=node.access)  # type: ignore[arg-type]
    if not readable:
        ec2.fail_next("instances.checks", fake_error("UnauthorizedOperation"))
    with pytest.raises(exception.SSHNeverOpened, match="no SSH to node001") as caught:
        waiting.wait_ssh(shut, limit=60)
    assert str(caught.value).endswith("system ok, instance ok" if readable else "not known")
    assert f"showconsole {node.id}" in caught.value.hint
