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

from typing import TYPE_CHECKING

from starcluster.nodeplugin import NodePlugin, absolute_path, choice, is_named, whole_number

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

_FILE_SYSTEMS = ("ext4", "xfs")


class Drive(NodePlugin):
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
        self.path = absolute_path(mount_path, "MOUNT_PATH")
        kind = choice(filesystem, "FILESYSTEM", _FILE_SYSTEMS)
        self.shape = {"size": whole_number(size, "SIZE"), "filesystem": kind} if size.strip() else {}

    def is_mine(self, node: Node) -> bool:
        return is_named(node, [self.alias])

    def set_up(self, node: Node, user: str) -> None:
        node.attach_drive(self.drive, self.path, shape=self.shape, keep=self.keep)

    def leave(self, node: Node) -> None:
        """So that the next node can have it at once; a dead node gives it back by its end."""
        node.detach_drive(self.drive)
