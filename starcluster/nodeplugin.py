"""NodePlugin: a plugin that does the same for each of some nodes, for several at once.

The simplest one only says what it asks of a node and which commands follow from that:

    class Tools(NodePlugin):
        facts = {"missing": "for tool in htop tree; do command -v $tool >/dev/null || echo $tool; done"}

        def commands(self, facts: Facts) -> list[str]:
            missing = facts["missing"]
            return [f"apt-get install -y {' '.join(missing)}"] if missing else []

`commands` touches no node, so `starcluster plugin test` can hold it against a JSON file: facts in, commands out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starcluster import exception, names, threadpool
from starcluster.clustersetup import ClusterSetup

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

Volumes = Mapping[str, Mapping[str, Any]]
_AT_ONCE = 20


@dataclass(frozen=True, kw_only=True)
class Facts(Mapping[str, tuple[str, ...]]):
    """What a node answered: the lines of each fact by its name; and which node it is, and CLUSTER_USER."""

    alias: str
    is_master: bool = False
    user: str = ""
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self.answers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.answers)

    def __len__(self) -> int:
        return len(self.answers)

    def first(self, name: str, default: str = "") -> str:
        """The first line of a fact."""
        return next(iter(self.answers[name]), default)


class NodePlugin(ClusterSetup):
    """Say which nodes are its own, and what is done on one of them. All of it may be done again to the same node.

    Either give `facts` and `commands` (and `leaving_commands`), or write `set_up` (and `leave`) yourself. They are
    called for several nodes at once, each node in a thread of its own; what fails on one keeps no other from its end,
    and all failures are told together, by node.
    """

    side_by_side = True
    facts: Mapping[
        str, str
    ] = {}  # name -> a shell command, run as root; what it prints is the fact, whatever its status

    def is_mine(self, node: Node) -> bool:
        """Whether this node gets it; every one, unless you say so."""
        return True

    def commands(self, facts: Facts) -> Sequence[str]:
        """The shell commands for a node that came or is set up again; run as root, the first that fails ends it."""
        return ()

    def leaving_commands(self, facts: Facts) -> Sequence[str]:
        """The shell commands for a node that is about to go, or to stop."""
        return ()

    def set_up(self, node: Node, user: str) -> None:
        """On a node that came, or that is set up again; `user` is CLUSTER_USER."""
        self._do(node, user, self.commands)

    def leave(self, node: Node) -> None:
        """Before a node goes, or stops; it can be reached."""
        self._do(node, "", self.leaving_commands)

    def ask(self, node: Node, user: str = "") -> Facts:
        """The node's facts."""
        answers = {
            name: tuple(node.ssh.execute(command, ignore_exit_status=True) or ())
            for name, command in self.facts.items()
        }
        return Facts(alias=node.alias, is_master=node.is_master(), user=user, answers=answers)

    def _do(self, node: Node, user: str, decide: Callable[[Facts], Sequence[str]]) -> None:
        """Ask, decide, do; a plugin that decides nothing asks nothing."""
        own = getattr(type(self), decide.__name__) is not getattr(NodePlugin, decide.__name__)
        for command in decide(self.ask(node, user)) if own else ():
            node.ssh.execute(command)

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
