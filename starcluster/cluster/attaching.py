"""An EBS volume to a node and back, with EC2's waits between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.cluster import record, waiting
from starcluster.logger import log
from starcluster.model import AttachmentState, Instance, Volume

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

# the pool that AWS recommends for data volumes, and the long names that it takes as well
_DEVICES = [f"/dev/sd{letter}" for letter in "fghijklmnop"] + [
    f"/dev/xvd{a}{b}" for a in "bc" for b in "abcdefghijklmnop"
]
_TRIES = 3
_OURS = (AttachmentState.ATTACHED, AttachmentState.ATTACHING)


def attach(node: Node, volume_id: str, device: str = "") -> str:
    """Attach a volume to a node and return the device name given to EC2; attached already is as good.

    ConflictError while a living node of another name holds it; one that is going is waited for.
    """
    ec2, clock = node.ec2, node.clock
    volume = ec2.volumes.get(volume_id)
    if volume.zone != node.placement:
        raise exception.InvalidOperation(
            f"volume {volume_id} is in {volume.zone}, {node.alias} in {node.placement}",
            hint="a volume can be used in its own zone only: launch the node there",
        )
    holder = volume.holder
    if holder and holder.instance_id == node.id and holder.state in _OURS:
        waiting.wait_attached(ec2, volume_id, node.id, clock=clock)
        return holder.device
    _refuse_if_held(node, volume)
    waiting.wait_volume_free(ec2, volume_id, clock=clock)
    node.update()
    return _attach(node, volume_id, device)


def _attach(node: Node, volume_id: str, device: str) -> str:
    stuck = 0
    for name in [device] * _TRIES if device else free_devices(node):
        log.info("Attaching %s to %s as %s", volume_id, node.alias, name)
        try:
            node.ec2.volumes.attach(volume_id, node.id, name)
            waiting.wait_attached(node.ec2, volume_id, node.id, clock=node.clock, limit=waiting.ATTACH_LIMIT)
        except exception.AWSError as error:
            if "in use" in str(error) and not device and error.code == "InvalidParameterValue":
                continue
            raise
        except exception.WaitTimeout:
            stuck += 1
            _give_up(node, volume_id, name, last=stuck == _TRIES)
            continue
        node.update()
        return name
    raise exception.ConflictError(f"{node.alias} has no free device name for {volume_id}")


def _give_up(node: Node, volume_id: str, name: str, *, last: bool) -> None:
    """An attachment that hangs is taken back and asked for under another name; not without end."""
    log.warning("%s is stuck attaching to %s as %s: it is taken back", volume_id, node.alias, name)
    node.ec2.volumes.detach(volume_id, instance_id=node.id)
    waiting.wait_volume_free(node.ec2, volume_id, clock=node.clock, limit=waiting.ATTACHED_LIMIT)
    if last:
        raise exception.VolumeStuck(
            f"{volume_id} could not be attached to {node.alias} ({node.id}): EC2 was attaching it without end",
            hint=f"another instance may have better luck: starcluster removenode CLUSTER {node.alias}, then addnode;"
            " a driver does so by itself",
        )


def detach(node: Node, volume_id: str) -> None:
    """Unmount and detach, and wait until the volume is free; one that is not attached here is no error."""
    holder = node.ec2.volumes.get(volume_id).holder
    if holder is None or holder.instance_id != node.id:
        return
    node.unmount_volume(volume_id, holder.device)
    log.info("Detaching %s from %s", volume_id, node.alias)
    node.ec2.volumes.detach(volume_id, instance_id=node.id)
    waiting.wait_volume_free(node.ec2, volume_id, clock=node.clock)
    node.update()


def delete_root(node: Node) -> None:
    """Detach and delete the root volume of a stopped node: it never starts again."""
    node.update()
    root = node.block_device_mapping.get(node.root_device_name)
    if root is None:
        return
    if not node.is_stopped():
        raise exception.InvalidOperation(
            f"{node.alias} ({node.id}) is {node.state}: only a stopped node's root volume can be deleted",
            hint="a node that is terminated takes its root volume with it",
        )
    node.ec2.volumes.detach(root.volume_id, instance_id=node.id)
    waiting.wait_volume_free(node.ec2, root.volume_id, clock=node.clock)
    log.info("Deleting %s, the root volume of %s", root.volume_id, node.alias)
    node.ec2.volumes.delete(root.volume_id)
    node.update()


def _refuse_if_held(node: Node, volume: Volume) -> None:
    """ConflictError when a living instance holds the volume; one that is going gives it back by itself."""
    holder = volume.holder
    if holder is None or holder.instance_id == node.id:
        return
    for instance in node.ec2.instances.find(ids=[holder.instance_id]):
        leaving = holder.state is AttachmentState.DETACHING or not instance.state.is_in_cluster
        if not leaving and not _is_predecessor(instance, node):
            raise exception.ConflictError(
                f"volume {volume.id} is held by {instance.alias or 'an instance'} ({instance.id}, {instance.state})",
                code="VolumeInUse",
                hint="a volume can be attached to one node at a time:"
                f" starcluster detachvolume {volume.id} takes it away there",
            )


def _is_predecessor(instance: Instance, node: Node) -> bool:
    """An earlier instance of the same name, which is on its way out."""
    same = (record.ALIAS, record.CLUSTER)
    return all(instance.tags.get(key) == node.tags.get(key) for key in same)


def free_devices(node: Node) -> list[str]:
    """Device names that the node does not use, in the order to try them."""
    used = {one.device.replace("xvd", "sd") for one in node.described.block_devices}
    return [name for name in _DEVICES if name.replace("xvd", "sd") not in used]
