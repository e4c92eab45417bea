"""mountvolume: what it asks of the node, in which order, and what it never does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from starcluster import exception
from starcluster.plugins.mountvolume import MountVolume


class Disk:
    """A node with one volume; notes what is done to it."""

    def __init__(self, alias: str, *, holds: str = "ext4", mounted: bool = False, up: bool = True) -> None:
        self.alias, self.holds, self.mounted, self.up = alias, holds, mounted, up
        self.done: list[str] = []
        self.ec2 = SimpleNamespace(volumes=SimpleNamespace(get=lambda name: SimpleNamespace(id="vol-1")))

    def attach_volume(self, volume_id: str) -> str:
        self.done.append("attach")
        return "/dev/sdf"

    def find_volume_device(self, volume_id: str, device: str) -> str:
        return "/dev/nvme1n1"

    def choose_partition(self, disk: str) -> str:
        return disk

    def mount_points_of(self, device: str) -> list[str]:
        return ["/data"] if self.mounted else []

    def filesystem(self, device: str) -> str:
        return self.holds

    def is_running(self) -> bool:
        return self.up

    def is_ssh_up(self) -> bool:
        return self.up

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self.done.append(name)


def run(hook: str, *nodes: Disk) -> None:
    plugin = MountVolume("data", "/data/", node="bob")
    first = () if hook in ("run", "on_shutdown") else (nodes[-1],)
    getattr(plugin, hook)(*first, list(nodes), nodes[0], "alice", "bash", {})


def test_only_the_chosen_node_gets_it() -> None:
    master, bob = Disk("master"), Disk("Bob")
    run("run", master, bob)
    assert master.done == []
    assert bob.done == ["attach", "check_filesystem", "mount_device"]


def test_an_empty_volume_is_formatted_and_one_that_holds_anything_is_not() -> None:
    empty, full = Disk("bob", holds=""), Disk("bob", holds="xfs")
    run("on_add_node", empty)
    run("on_add_node", full)
    assert empty.done == ["attach", "make_filesystem", "check_filesystem", "mount_device"]
    assert "make_filesystem" not in full.done


def test_a_mounted_volume_is_left_alone() -> None:
    bob = Disk("bob", mounted=True)
    run("run", bob)
    assert bob.done == ["attach"]


@pytest.mark.parametrize("hook", ["on_remove_node", "on_shutdown"])
def test_it_is_given_free_and_a_dead_node_is_not_asked(hook: str) -> None:
    bob, dead = Disk("bob"), Disk("bob", up=False)
    run(hook, bob)
    run(hook, dead)
    assert bob.done == ["unmount", "detach_volume"]
    assert dead.done == []


def test_it_tells_the_volume_it_wants_and_refuses_bad_paths() -> None:
    wanted = MountVolume("data", "/data/", node="bob").wanted_volumes()
    assert [(one.volume, one.mount_path, one.aliases) for one in wanted] == [("data", "/data", ("bob",))]
    for path in ("data", "/", "/a b"):
        with pytest.raises(exception.ConfigSettingError):
            MountVolume("data", path)


def test_a_file_system_that_can_not_be_made_is_told_before_a_launch() -> None:
    assert MountVolume("data", "/data", filesystem="xfs").filesystem == "xfs"
    with pytest.raises(exception.ConfigSettingError, match="ext4 or xfs"):
        MountVolume("data", "/data", filesystem="ntfs")
