"""NodePlugin: the same for each of some nodes. And what its settings may look like."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from starcluster import exception, nodeplugin
from starcluster.nodeplugin import NodePlugin
from starcluster.plugins.permanent import Permanent


class Recorded(NodePlugin):
    def __init__(self) -> None:
        self.done: list[tuple[str, ...]] = []

    def is_mine(self, node: Any) -> bool:
        return nodeplugin.is_named(node, ["Alice", "bob"])

    def set_up(self, node: Any, user: str) -> None:
        self.done.append(("set up", node.alias, user))

    def leave(self, node: Any) -> None:
        self.done.append(("leave", node.alias))


def node(alias: str, *, runs: bool = True, answers: bool = True) -> Any:
    return SimpleNamespace(alias=alias, is_running=lambda: runs, is_ssh_up=lambda: answers)


ALL = [node("master"), node("alice"), node("bob"), node("carol")]


def call(plugin: NodePlugin, hook: str, *first: Any) -> None:
    getattr(plugin, hook)(*first, ALL[0], "sgeadmin", "bash", {})


def test_its_own_nodes_are_set_up_and_left() -> None:
    plugin = Recorded()
    call(plugin, "run", ALL)
    assert sorted(plugin.done) == [("set up", "alice", "sgeadmin"), ("set up", "bob", "sgeadmin")]
    plugin.done.clear()
    call(plugin, "on_shutdown", ALL)
    assert sorted(plugin.done) == [("leave", "alice"), ("leave", "bob")]


def test_a_node_that_comes_and_goes() -> None:
    plugin = Recorded()
    for hook in ("on_add_node", "on_remove_node"):
        call(plugin, hook, node("bob"), ALL)
        call(plugin, hook, node("carol"), ALL)
    assert plugin.done == [("set up", "bob", "sgeadmin"), ("leave", "bob")]


def test_a_dead_node_is_not_asked() -> None:
    plugin = Recorded()
    for dead in (node("bob", runs=False), node("bob", answers=False)):
        call(plugin, "on_remove_node", dead, ALL)
        call(plugin, "on_shutdown", [dead])
    assert plugin.done == []


def test_several_nodes_at_once_and_all_failures_are_told() -> None:
    meeting = threading.Barrier(2)

    class Failing(Recorded):
        def set_up(self, node: Any, user: str) -> None:
            meeting.wait(10)
            raise ValueError(node.alias)

    with pytest.raises(exception.ThreadPoolException) as caught:
        call(Failing(), "run", ALL)
    assert sorted(job for _, _, job in caught.value.exceptions) == ["alice", "bob"]


def test_settings() -> None:
    assert nodeplugin.words(" a, b ,") == ["a", "b"]
    assert nodeplugin.absolute_path("/data/ ", "P") == "/data"
    assert nodeplugin.choice(" XFS", "F", ("ext4", "xfs")) == "xfs"
    assert nodeplugin.whole_number(" 3 ", "N") == 3


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        (lambda: nodeplugin.absolute_path("data", "P"), "P"),
        (lambda: nodeplugin.absolute_path("/", "P"), "P"),
        (lambda: nodeplugin.absolute_path("/a b", "P"), "P"),
        (lambda: nodeplugin.choice("zfs", "F", ("ext4", "xfs")), "F"),
        (lambda: nodeplugin.whole_number("0", "N"), "N"),
        (lambda: nodeplugin.whole_number("many", "N"), "N"),
        (lambda: Permanent("My_Bucket"), "BUCKET"),
        (lambda: Permanent("b-1", client="gcsfuse"), "CLIENT"),
        (lambda: Permanent("b-1", read_only="perhaps"), "READ_ONLY"),
        (lambda: Permanent("b-1", mount_path="permanent"), "MOUNT_PATH"),
    ],
)
def test_wrong_settings_name_themselves(wrong: Any, setting: str) -> None:
    with pytest.raises(exception.ConfigSettingError) as caught:
        wrong()
    assert setting in str(caught.value)


def test_a_bucket_for_all_or_for_some() -> None:
    everybody = Permanent("s3://my-bucket/", read_only="Yes")
    assert all(everybody.is_mine(one) for one in ALL)
    assert (everybody.wish.bucket, everybody.wish.path, everybody.wish.read_only) == ("my-bucket", "/permanent", True)
    assert [one.alias for one in ALL if Permanent("my-bucket", nodes="Carol, master").is_mine(one)] == [
        "master",
        "carol",
    ]
