"""A bucket at a path of the nodes: what is put there outlives every cluster. Slow, and for keeping.

    [plugin permanent]
    SETUP_CLASS = starcluster.plugins.permanent.Permanent
    BUCKET = my-bucket
    MOUNT_PATH = /permanent
    NODES =                          # alice, bob; empty: all nodes, the master too
    PREFIX =                         # projects/x: only what lies below it
    CLIENT = auto                    # mount-s3 (Mountpoint for Amazon S3) or s3fs; auto: the one that can be had
    READ_ONLY = no
    REGION =                         # the bucket's, if it is not the cluster's

Copy whole files in and out. Neither client locks files, and two nodes that write one file at once lose one of the two.
Mountpoint renames nothing and changes nothing within a file. For checkpoints and running programs there are disks,
drives and the plugin s3sync. The nodes need IAM_PROFILE with a role that may use the bucket: docs/s3.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starcluster import names
from starcluster.cluster.bucketmounts import CLIENTS, BucketMount
from starcluster.nodeplugin import NodePlugin, absolute_path, choice, is_named, words

if TYPE_CHECKING:
    from starcluster.cluster.node import Node


class Permanent(NodePlugin):
    def __init__(
        self,
        bucket: str,
        mount_path: str = "/permanent",
        nodes: str = "",
        prefix: str = "",
        client: str = "auto",
        read_only: str = "no",
        region: str = "",
    ) -> None:
        self.aliases = words(nodes)
        self.wish = BucketMount(
            bucket=names.check_bucket(bucket),
            path=absolute_path(mount_path, "MOUNT_PATH"),
            prefix=prefix.strip().strip("/"),
            region=region.strip(),
            client=choice(client, "CLIENT", ("auto", *CLIENTS)),
            read_only=choice(read_only, "READ_ONLY", ("yes", "no", "true", "false")) in ("yes", "true"),
        )

    def is_mine(self, node: Node) -> bool:
        return is_named(node, self.aliases) if self.aliases else True

    def set_up(self, node: Node, user: str) -> None:
        node.buckets.mount(self.wish, user)

    def leave(self, node: Node) -> None:
        """A file is in the bucket when it is closed: who still has one open is ended first."""
        node.buckets.unmount(self.wish.path)
