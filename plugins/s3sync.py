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

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starcluster import exception
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

_LIVE = "*.log, *.out, *.err, *.csv, *.jsonl, events.out.tfevents.*"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_CHECKPOINTS = "/home/.starcluster/checkpoints"
_UNITS = ("entry", "folder")
Volumes = Mapping[str, Mapping[str, Any]]


class S3Sync(ClusterSetup):
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
        self.bucket, self.region = bucket.strip().removeprefix("s3://").strip("/"), region.strip()
        if not _BUCKET.fullmatch(self.bucket):
            raise exception.ConfigSettingError(f"'{bucket}' is not a bucket's name", setting="BUCKET")
        self.aliases = _words(nodes)
        self.path = path.strip().rstrip("/")
        if self.path and not self.path.startswith("/"):
            raise exception.ConfigSettingError(f"'{path}' is not an absolute path below /", setting="PATH")
        self.prefix = prefix.strip().strip("/")
        self.interval = _number(interval, "INTERVAL")
        self.keep = _number(keep, "KEEP")
        self.unit = unit.strip().lower()
        if self.unit not in _UNITS:
            raise exception.ConfigSettingError(f"'{unit}' is not a unit: {' or '.join(_UNITS)}", setting="UNIT")
        self.exclude, self.live = _words(exclude), _words(live)

    def run(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        for node in self._mine(nodes):
            self._set_up(node, master)

    def on_add_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        for mine in self._mine([node]):
            self._set_up(mine, master)

    def on_remove_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        for mine in self._mine([node]):
            self._leave(mine)

    def on_restart(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        self.on_shutdown(nodes, master, user, user_shell, volumes)

    def on_shutdown(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        for node in self._mine(nodes):
            self._leave(node)

    def _mine(self, nodes: Sequence[Node]) -> list[Node]:
        wanted = {alias.lower() for alias in self.aliases}
        return [node for node in nodes if (node.alias.lower() in wanted if wanted else not node.is_master())]

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

    def _set_up(self, node: Node, master: Node) -> None:
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

    def _leave(self, node: Node) -> None:
        """The last push; a node that is dead has made its last one."""
        if not node.is_running() or not node.is_ssh_up():
            return
        node.s3.stop(self._name)
        told = node.s3.need("push", self._name)
        log.info("%s: snapshot %d of %s is in s3://%s", node.alias, told["number"], told["path"], self.bucket)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _number(text: str, setting: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise exception.ConfigSettingError(f"'{text}' is not a whole number above 0", setting=setting)
    return int(text)
