"""A folder of named nodes kept in an S3 bucket, as snapshots: checkpoints and results outlive every disk.

    [plugin results]
    SETUP_CLASS = starcluster.plugins.s3sync.S3Sync
    BUCKET = my-bucket
    NODES = alice, bob               # empty: all workers
    PATH = /work                     # empty: /home/.starcluster/checkpoints/ALIAS, where commands put checkpoints
    PREFIX = projects/x              # empty: the cluster's name; each node has PREFIX/ALIAS
    INTERVAL = 300                   # seconds between two pushes
    KEEP = 3                         # snapshots that stay in the bucket
    UNIT = entry                     # each entry of PATH is whole in itself; or: folder, the folder is one thing
    EXCLUDE = *.tmp                  # names that stay out
    LIVE = *.log, *.csv              # files that are added to all the time: taken as far as they are
    REGION =                         # the bucket's, if it is not the cluster's

Pushed every interval, when a checkpoint was made, at the interruption notice, and before the node goes. At the set-up
the newest snapshot is restored if the folder is empty or older; newer files are never overwritten. The nodes need
IAM_PROFILE with a role that may use the bucket: docs/s3.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starcluster import names
from starcluster.logger import log
from starcluster.nodeplugin import NodePlugin, absolute_path, choice, is_named, whole_number, words

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

_LIVE = "*.log, *.out, *.err, *.csv, *.jsonl, events.out.tfevents.*"
_CHECKPOINTS = "/home/.starcluster/checkpoints"
_UNITS = ("entry", "folder")
Volumes = Mapping[str, Mapping[str, Any]]


class S3Sync(NodePlugin):
    def __init__(
        self,
        bucket: str,
        nodes: str = "",
        path: str = "",
        prefix: str = "",
        interval: str = "300",
        keep: str = "3",
        unit: str = "entry",
        exclude: str = "",
        live: str = _LIVE,
        region: str = "",
    ) -> None:
        self.bucket, self.region = names.check_bucket(bucket), region.strip()
        self.aliases = words(nodes)
        self.path = absolute_path(path, "PATH") if path.strip() else ""
        self.prefix = prefix.strip().strip("/")
        self.interval = whole_number(interval, "INTERVAL")
        self.keep = whole_number(keep, "KEEP")
        self.unit = choice(unit, "UNIT", _UNITS)
        self.exclude, self.live = words(exclude), words(live)

    def is_mine(self, node: Node) -> bool:
        return is_named(node, self.aliases) if self.aliases else not node.is_master()

    def on_restart(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        self.on_shutdown(nodes, master, user, user_shell, volumes)

    @property
    def _name(self) -> str:
        """The plugin's section: a node may have several syncs."""
        return str(vars(self).get("__name__") or "s3sync")

    def settings(self, node: Node) -> dict[str, Any]:
        """What s3sync on the node is told."""
        return {
            "name": self._name,
            "bucket": self.bucket,
            "prefix": f"{self.prefix or node.cluster_tag}/{node.alias}",
            "path": self.path or f"{_CHECKPOINTS}/{node.alias}",
            "region": self.region,
            "interval": float(self.interval),
            "keep": self.keep,
            "whole": self.unit == "folder",
            "exclude": self.exclude,
            "live": self.live,
        }

    def set_up(self, node: Node, user: str) -> None:
        """Bring the client, look whether the bucket can be used, restore, begin to push."""
        node.s3.install()
        node.s3.stop(self._name)
        node.s3.set_up(self.settings(node))
        told = node.s3.need("restore", self._name)
        if told["done"]:
            log.info("%s: %d files (%s) in %s", node.alias, told["files"], told["why"], told["path"])
        elif told["newer"]:
            log.warning("%s: %s in %s: %s", node.alias, told["why"], told["path"], ", ".join(told["newer"][:5]))
        node.s3.watch(self._name)

    def leave(self, node: Node) -> None:
        """The last push; a node that is dead has made its last one."""
        node.s3.stop(self._name)
        told = node.s3.need("push", self._name)
        log.info("%s: snapshot %d of %s is in s3://%s", node.alias, told["number"], told["path"], self.bucket)
