"""An EBS volume on a node of the cluster, wherever that name is launched.

    [plugin scratch]
    SETUP_CLASS = starcluster.plugins.mountvolume.MountVolume
    VOLUME = mydata                  # id or Name tag
    NODE = mynode                    # the alias that gets it
    MOUNT_PATH = /data
    FILESYSTEM = ext4                # or xfs; for a volume that is empty

An empty volume gets a file system; one that holds anything is never formatted. After a sudden death the file system is
repaired before it is mounted; what can not be repaired is not mounted. EC2 attaches a volume to one node at a time:
while another node holds it, the set-up refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starcluster.clustersetup import WantedVolume
from starcluster.logger import log
from starcluster.nodeplugin import NodePlugin, absolute_path, choice, is_named

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

_FILE_SYSTEMS = ("ext4", "xfs")


class MountVolume(NodePlugin):
    def __init__(self, volume: str, mount_path: str, node: str = "master", filesystem: str = "ext4") -> None:
        self.volume, self.alias = volume.strip(), node.strip()
        self.filesystem = choice(filesystem, "FILESYSTEM", _FILE_SYSTEMS)
        self.path = absolute_path(mount_path, "MOUNT_PATH")

    def wanted_volumes(self) -> Sequence[WantedVolume]:
        return [WantedVolume(volume=self.volume, mount_path=self.path, aliases=(self.alias,))]

    def is_mine(self, node: Node) -> bool:
        return is_named(node, [self.alias])

    def set_up(self, node: Node, user: str) -> None:
        """Attach, find the disk by the volume's id, format if empty, repair, mount."""
        volume_id = node.ec2.volumes.get(self.volume).id
        disk = node.find_volume_device(volume_id, node.attach_volume(volume_id))
        device = node.choose_partition(disk)
        if self.path in node.mount_points_of(device):
            return
        if not node.filesystem(device):
            log.info("%s (%s) is empty: making a %s file system", self.volume, volume_id, self.filesystem)
            node.make_filesystem(device, self.filesystem)
        log.info("Mounting %s (%s) at %s on %s", self.volume, volume_id, self.path, node.alias)
        node.check_filesystem(device)
        node.mount_device(device, self.path)

    def leave(self, node: Node) -> None:
        """Unmount and detach, so that the next node can have it at once; a dead node gives it back by its end."""
        node.unmount(self.path, force=True)
        node.detach_volume(node.ec2.volumes.get(self.volume).id)
