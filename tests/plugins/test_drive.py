"""drive: which node gets it, how it is made, and when it is given back."""

from __future__ import annotations

from typing import Any

import pytest

from starcluster import exception
from starcluster.plugins.drive import Drive


class Machine:
    """A node; notes what is done to it."""

    def __init__(self, alias: str, *, up: bool = True) -> None:
        self.alias, self.up = alias, up
        self.done: list[tuple[Any, ...]] = []

    def is_running(self) -> bool:
        return self.up

    def is_ssh_up(self) -> bool:
        return self.up

    def attach_drive(self, name: str, path: str, *, shape: dict[str, object], keep: str) -> None:
        self.done.append(("attach", name, path, shape, keep))

    def detach_drive(self, name: str) -> None:
        self.done.append(("detach", name))


def call(hook: str, plugin: Drive, *nodes: Machine) -> None:
    first = () if hook in ("run", "on_shutdown") else (nodes[-1],)
    getattr(plugin, hook)(*first, list(nodes), nodes[0], "alice", "bash", {})


@pytest.mark.parametrize("hook", ["run", "on_add_node"])
def test_only_the_chosen_node_gets_it(hook: str) -> None:
    master, bob = Machine("master"), Machine("Bob")
    call(hook, Drive("data", "/data/", node="bob", size="50", keep="2 last"), master, bob)
    assert master.done == []
    assert bob.done == [("attach", "data", "/data", {"size": 50, "filesystem": "ext4"}, "2 last")]


def test_without_a_size_there_must_be_one() -> None:
    master = Machine("master")
    call("run", Drive("data", "/data"), master)
    assert master.done == [("attach", "data", "/data", {}, "")]


@pytest.mark.parametrize("hook", ["on_remove_node", "on_shutdown"])
def test_it_is_given_back_by_a_node_that_answers(hook: str) -> None:
    plugin = Drive("data", "/data", node="bob")
    master, bob, dead = Machine("master"), Machine("bob"), Machine("bob", up=False)
    call(hook, plugin, master, bob)
    assert (master.done, bob.done) == ([], [("detach", "data")])
    call(hook, plugin, master, dead)
    assert dead.done == []


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"mount_path": "data"}, "MOUNT_PATH"),
        ({"mount_path": "/a b"}, "MOUNT_PATH"),
        ({"size": "big"}, "SIZE"),
        ({"size": "0"}, "SIZE"),
        ({"filesystem": "ntfs"}, "FILESYSTEM"),
    ],
)
def test_what_can_not_be_meant(settings: dict[str, str], setting: str) -> None:
    with pytest.raises(exception.ConfigSettingError) as caught:
        Drive(**{"drive": "data", "mount_path": "/data", **settings})
    assert caught.value.setting == setting
