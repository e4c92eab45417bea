"""A drive on a node of the cluster: a disk that comes after the node, from whatever zone it is in.

    [plugin data]
    SETUP_CLASS = starcluster.plugins.drive.Drive
    DRIVE = data
    NODE = mynode                    # the alias that gets it
    MOUNT_PATH = /data
    SIZE = 50                        # GB; where there is no such drive it is made; empty: there must be one
    FILESYSTEM = ext4                # or xfs
    KEEP = 3 hourly, 7 daily         # which snapshots `starcluster drive prune` keeps

A drive is at one node at a time: while another node that lives has it, the set-up refuses. With a node of train.cfg the
line `drive = data:/data` there does the same, and its driver takes snapshots as well (docs/drives.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starcluster import exception
from starcluster.clustersetup import ClusterSetup

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

_FILE_SYSTEMS = ("ext4", "xfs")
Volumes = Mapping[str, Mapping[str, Any]]


class Drive(ClusterSetup):
    def __init__(
        self,
        drive: str,
        mount_path: str,
        node: str = "master",
        size: str = "",
        filesystem: str = "ext4",
        keep: str = "",
    ) -> None:
        self.drive, self.alias, self.keep = drive.strip(), node.strip(), keep.strip()
        self.path = mount_path.strip().rstrip("/")
        if not self.path.startswith("/") or " " in self.path:
            raise exception.ConfigSettingError(f"'{mount_path}' is not an absolute path below /", setting="MOUNT_PATH")
        if filesystem.strip() not in _FILE_SYSTEMS:
            raise exception.ConfigSettingError(
                f"'{filesystem}' is no file system that can be made: {' or '.join(_FILE_SYSTEMS)}", setting="FILESYSTEM"
            )
        self.shape = {"size": _gigabytes(size), "filesystem": filesystem.strip()} if size.strip() else {}

    def run(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        for node in self._mine(nodes):
            self._bring(node)

    def on_add_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        for mine in self._mine([node]):
            self._bring(mine)

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

    def _bring(self, node: Node) -> None:
        node.attach_drive(self.drive, self.path, shape=self.shape, keep=self.keep)

    def _release(self, node: Node) -> None:
        """So that the next node can have it at once; a dead node gives it back by its end."""
        if node.is_running() and node.is_ssh_up():
            node.detach_drive(self.drive)


def _gigabytes(text: str) -> int:
    if not text.strip().isdigit() or int(text) < 1:
        raise exception.ConfigSettingError(f"'{text}' is no number of GB", setting="SIZE")
    return int(text)
