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

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starcluster import exception
from starcluster.clustersetup import ClusterSetup, WantedVolume
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

_FILE_SYSTEMS = ("ext4", "xfs")
Volumes = Mapping[str, Mapping[str, Any]]


class MountVolume(ClusterSetup):
    def __init__(self, volume: str, mount_path: str, node: str = "master", filesystem: str = "ext4") -> None:
        self.volume, self.alias = volume.strip(), node.strip()
        self.filesystem = filesystem.strip()
        if self.filesystem not in _FILE_SYSTEMS:
            raise exception.ConfigSettingError(
                f"'{filesystem}' is no file system that can be made: {' or '.join(_FILE_SYSTEMS)}", setting="FILESYSTEM"
            )
        self.path = mount_path.strip().rstrip("/")
        if not self.path.startswith("/") or " " in self.path:
            raise exception.ConfigSettingError(f"'{mount_path}' is not an absolute path below /", setting="MOUNT_PATH")

    def wanted_volumes(self) -> Sequence[WantedVolume]:
        return [WantedVolume(volume=self.volume, mount_path=self.path, aliases=(self.alias,))]

    def run(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        for node in self._mine(nodes):
            self._mount(node)

    def on_add_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        for mine in self._mine([node]):
            self._mount(mine)

    def on_remove_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        for mine in self._mine([node]):
            self._release(mine)

    def on_shutdown(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        for node in self._mine(nodes):
            self._release(node)

    def _mine(self, nodes: Sequence[Node]) -> list[Node]:
        return [node for node in nodes if node.alias.lower() == self.alias.lower()]

    def _mount(self, node: Node) -> None:
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

    def _release(self, node: Node) -> None:
        """Unmount and detach, so that the next node can have it at once; a dead node gives it back by its end."""
        if not node.is_running() or not node.is_ssh_up():
            return
        node.unmount(self.path, force=True)
        node.detach_volume(node.ec2.volumes.get(self.volume).id)
