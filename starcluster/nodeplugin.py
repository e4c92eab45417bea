"""NodePlugin: a plugin that does the same for each of some nodes, for several at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starcluster import exception, names, threadpool
from starcluster.clustersetup import ClusterSetup

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

Volumes = Mapping[str, Mapping[str, Any]]
_AT_ONCE = 20


class NodePlugin(ClusterSetup):
    """Say which nodes are its own, and what is done on one of them. All of it may be done again to the same node."""

    def is_mine(self, node: Node) -> bool:
        """Whether this node gets it; every one, unless you say so."""
        return True

    def set_up(self, node: Node, user: str) -> None:
        """On a node that came, or that is set up again; `user` is CLUSTER_USER."""

    def leave(self, node: Node) -> None:
        """Before a node goes, or stops; it can be reached."""

    def run(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        _on_each([node for node in nodes if self.is_mine(node)], lambda node: self.set_up(node, user))

    def on_add_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        if self.is_mine(node):
            self.set_up(node, user)

    def on_remove_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        if self.is_mine(node):
            self._leave_if_there(node)

    def on_shutdown(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        _on_each([node for node in nodes if self.is_mine(node)], self._leave_if_there)

    def _leave_if_there(self, node: Node) -> None:
        """A dead node has nothing to give back any more."""
        if node.is_running() and node.is_ssh_up():
            self.leave(node)


def _on_each(nodes: Sequence[Node], job: Callable[[Node], None]) -> None:
    if len(nodes) == 1:
        job(nodes[0])
        return
    pool = threadpool.get_thread_pool(_AT_ONCE)
    for node in nodes:
        pool.simple_job(job, (node,), jobid=node.alias)
    pool.wait()


# --- settings


def words(text: str) -> list[str]:
    """`a, b` as its words."""
    return [word.strip() for word in text.split(",") if word.strip()]


def is_named(node: Node, aliases: Collection[str]) -> bool:
    """By its alias, in whatever case."""
    return names.fold(node.alias) in map(names.fold, aliases)


def absolute_path(text: str, setting: str) -> str:
    """ConfigSettingError unless it is one, without blanks and below /."""
    path = text.strip().rstrip("/")
    if not path.startswith("/") or " " in path:
        raise exception.ConfigSettingError(f"'{text}' is not an absolute path below /", setting=setting)
    return path


def choice(text: str, setting: str, known: Sequence[str]) -> str:
    """One of the known words, in whatever case."""
    word = text.strip().lower()
    if word not in known:
        raise exception.ConfigSettingError(f"'{text}' is not {' or '.join(known)}", setting=setting)
    return word


def whole_number(text: str, setting: str) -> int:
    """Above 0."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise exception.ConfigSettingError(f"'{text}' is not a whole number above 0", setting=setting)
    return int(text)
