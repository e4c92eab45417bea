"""Volumes that a node had when it was stopped: they are free while it is stopped, and `start -x` brings them back.

The cluster's own VOLUMES go back to the master anyhow, drives with whoever needs them. Each of the others is noted in a
tag of the node's instance, `@sc-disk-VOLUME` = "DEVICE PARTITION PATH" with "-" for what there is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.cluster.disks import partition_of
from starcluster.cluster.drives.drive import DRIVE
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.cluster.cluster import Cluster
    from starcluster.cluster.node import Node

PREFIX = "@sc-disk-"
_NOTHING = "-"


@dataclass(frozen=True, kw_only=True)
class LeftDisk:
    """`path` "" = attached and not mounted; `partition` None = the whole disk."""

    volume_id: str
    device: str
    partition: int | None = None
    path: str = ""

    @property
    def tag(self) -> dict[str, str]:
        return {PREFIX + self.volume_id: f"{self.device} {self.partition or _NOTHING} {self.path or _NOTHING}"}


def noted(tags: dict[str, str]) -> list[LeftDisk]:
    """What a node's tags say; a tag that can not be read is left out."""
    found = []
    for key, value in sorted(tags.items()):
        device, _, rest = value.partition(" ")
        number, _, path = rest.partition(" ")
        if key.startswith(PREFIX) and path:
            found.append(
                LeftDisk(
                    volume_id=key.removeprefix(PREFIX),
                    device=device,
                    partition=int(number) if number.isdigit() else None,
                    path="" if path == _NOTHING else path,
                )
            )
    return found


def note(cluster: Cluster, node: Node) -> None:
    """Before a node is stopped: remember which volumes it has, and where."""
    own = {one.volume_id for one in cluster.record.volumes}
    ids = [one.volume_id for one in node.described.data_devices if one.volume_id not in own]
    volumes = {one.id: one for one in node.ec2.volumes.find(ids=ids)} if ids else {}
    tags: dict[str, str] = {}
    for device in node.described.data_devices:
        volume = volumes.get(device.volume_id)
        if volume is not None and DRIVE not in volume.tags:
            tags |= _as_it_is(node, device.volume_id, device.device).tag
    if tags:
        node.ec2.instances.tag([node.id], tags)


def _as_it_is(node: Node, volume_id: str, device: str) -> LeftDisk:
    paths = node.mount_points_of(node.find_volume_device(volume_id, device))
    if not paths:
        return LeftDisk(volume_id=volume_id, device=device)
    number = partition_of(node.mounted_device(paths[0]))[1]
    return LeftDisk(volume_id=volume_id, device=device, partition=int(number) if number else None, path=paths[0])


def bring_back(node: Node) -> None:
    """Attach and mount what the node had; what somebody else has now, or nobody any more, is told and left."""
    for disk in noted(dict(node.tags)):
        try:
            _bring(node, disk)
        except (exception.AWSError, exception.SSHError, exception.WaitTimeout, exception.InvalidOperation) as error:
            log.warning("%s does not get %s back: %s", node.alias, disk.volume_id, error.explain())
        node.remove_tag(PREFIX + disk.volume_id)


def _bring(node: Node, disk: LeftDisk) -> None:
    whole = node.find_volume_device(disk.volume_id, node.attach_volume(disk.volume_id, disk.device))
    if disk.path and disk.path not in node.mount_points_of(whole):
        device = node.choose_partition(whole, disk.partition)
        node.check_filesystem(device)
        node.mount_device(device, disk.path)
    log.info("%s has %s again%s", node.alias, disk.volume_id, f" at {disk.path}" if disk.path else "")
