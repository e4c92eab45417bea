"""The default set-up's steps one by one, under the names by which plugins derived from DefaultClusterSetup call them.

The set-up itself does several of them in one go (clustersetup.py). Each may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starcluster.cluster.node import Node


class NamedSteps:
    """Without `nodes`, a step is done where the set-up does it: on all nodes, or on all workers."""

    _nodes: list[Node] = []
    _user = ""
    _user_shell = "bash"

    @property
    def master(self) -> Node:
        raise NotImplementedError

    @property
    def nodes(self) -> list[Node]:
        raise NotImplementedError

    def _on_each(self, nodes: Sequence[Node], job: Callable[[Node], object]) -> None:
        raise NotImplementedError

    def _get_new_user_id(self, user: str) -> tuple[int, int]:
        raise NotImplementedError

    def _add_user_to_node(self, uid: int, gid: int, node: Node) -> None:
        raise NotImplementedError

    def _make_scratch(self, node: Node, user: str = "") -> None:
        raise NotImplementedError

    def _get_nfs_export_paths(self) -> list[str]:
        raise NotImplementedError

    def _setup_hostnames(self, nodes: Sequence[Node] | None = None) -> None:
        self._on_each(nodes or self._nodes, lambda node: node.set_hostname())

    def _setup_cluster_user(self, user: str | None = None) -> None:
        """The cluster's user, or another one, on all nodes with one uid."""
        name = user or self._user
        uid, gid = self._get_new_user_id(name)
        if name == self._user:
            self._add_user_to_nodes(uid, gid, self._nodes)
            return
        self._on_each(self._nodes, lambda node: node.add_user(name, uid, gid, self._user_shell))

    def _add_user_to_nodes(self, uid: int, gid: int, nodes: Sequence[Node] | None = None) -> None:
        self._on_each(nodes or self._nodes, lambda node: self._add_user_to_node(uid, gid, node))

    def _create_user(self, node: Node) -> None:
        """The cluster's user on one node, numbered as on the master."""
        self._add_user_to_node(*self._get_new_user_id(self._user), node)

    def _setup_scratch(self, nodes: Sequence[Node] | None = None, users: Sequence[str] | None = None) -> None:
        self._on_each(nodes or self._nodes, lambda node: self._setup_scratch_on_node(node, users))

    def _setup_scratch_on_node(self, node: Node, users: Sequence[str] | None = None) -> None:
        for user in users or [self._user]:
            self._make_scratch(node, user)

    def _setup_etc_hosts(self, nodes: Sequence[Node] | None = None) -> None:
        """Let these nodes know the names of all."""
        self._on_each(nodes or self._nodes, lambda node: node.add_to_etc_hosts(self._nodes))

    def _setup_passwordless_ssh(self, nodes: Sequence[Node] | None = None) -> None:
        """Root between the master and these workers; the user's keys lie in the shared /home."""
        workers = self.nodes if nodes is None else [node for node in nodes if not node.is_master()]
        self.master.enable_passwordless_ssh("root", workers)
        self.master.make_key_for_user(self._user, auth_new_key=True, auth_conn_key=True)
        self.master.add_to_known_hosts(self._user, workers)

    def _setup_nfs(
        self,
        nodes: Sequence[Node] | None = None,
        start_server: bool = True,
        export_paths: Sequence[str] | None = None,
    ) -> None:
        """Export the paths (/home and the volumes, if none are given) from the master and mount them on the nodes."""
        workers = self.nodes if nodes is None else [node for node in nodes if not node.is_master()]
        paths = self._get_nfs_export_paths() if export_paths is None else export_paths
        if start_server:
            self.master.start_nfs_server()
        if workers:
            self.master.export_fs_to_nodes(workers, paths)
            self._mount_nfs_shares(workers, export_paths=paths)

    def _mount_nfs_shares(self, nodes: Sequence[Node], export_paths: Sequence[str] | None = None) -> None:
        paths = self._get_nfs_export_paths() if export_paths is None else export_paths
        self._on_each(nodes, lambda node: node.mount_nfs_shares(self.master, paths))
