"""s3sync: which nodes it is for, what it asks of them, in which order."""

from __future__ import annotations

from typing import Any

import pytest

from starcluster import exception
from starcluster.plugins.s3sync import S3Sync


class Sync:
    """What a node's s3 does, written down; `restored`: what a restore tells."""

    def __init__(self, restored: dict[str, Any]) -> None:
        self.done: list[tuple[Any, ...]] = []
        self.restored = restored

    def install(self) -> None:
        self.done.append(("install",))

    def stop(self, name: str) -> None:
        self.done.append(("stop", name))

    def set_up(self, settings: dict[str, Any]) -> None:
        self.done.append(("set up", settings["prefix"]))

    def watch(self, name: str) -> None:
        self.done.append(("watch", name))

    def need(self, verb: str, name: str) -> dict[str, Any]:
        self.done.append((verb, name))
        return self.restored if verb == "restore" else {"number": 7, "path": "/work"}


class Machine:
    cluster_tag = "mycluster"

    def __init__(self, alias: str, *, up: bool = True, **restored: Any) -> None:
        self.alias, self.up = alias, up
        self.s3 = Sync({"done": False, "newer": [], "files": 0, "why": "empty", "path": "/work", **restored})

    def is_master(self) -> bool:
        return self.alias == "master"

    def is_running(self) -> bool:
        return self.up

    def is_ssh_up(self) -> bool:
        return self.up


def call(hook: str, plugin: S3Sync, *nodes: Machine) -> None:
    first = (nodes[-1],) if hook in ("on_add_node", "on_remove_node") else ()
    getattr(plugin, hook)(*first, list(nodes), nodes[0], "alice", "bash", {})


SET_UP = [("install",), ("stop", "s3sync"), ("set up", "mycluster/Bob"), ("restore", "s3sync"), ("watch", "s3sync")]


@pytest.mark.parametrize("hook", ["run", "on_add_node"])
def test_a_snapshot_comes_back_before_anything_is_pushed(hook: str) -> None:
    master, bob = Machine("master"), Machine("Bob")
    call(hook, S3Sync("my-bucket", nodes="bob"), master, bob)
    assert (master.s3.done, bob.s3.done) == ([], SET_UP)


def test_without_names_it_is_for_the_workers() -> None:
    master, bob = Machine("master"), Machine("Bob")
    call("run", S3Sync("my-bucket"), master, bob)
    assert (master.s3.done, bob.s3.done) == ([], SET_UP)


def test_files_that_are_newer_on_the_node_are_told(caplog: pytest.LogCaptureFixture) -> None:
    call("run", S3Sync("my-bucket"), Machine("bob", newer=["a", "b"], why="newer files"))
    assert "newer files in /work: a, b" in caplog.text


@pytest.mark.parametrize("hook", ["on_remove_node", "on_shutdown", "on_restart"])
def test_at_the_end_all_is_pushed_once_more_by_who_answers(hook: str) -> None:
    bob, dead = Machine("bob"), Machine("bob", up=False)
    call(hook, S3Sync("my-bucket"), bob)
    assert bob.s3.done == [("stop", "s3sync"), ("push", "s3sync")]
    call(hook, S3Sync("my-bucket"), dead)
    assert dead.s3.done == []


def test_what_the_node_is_told() -> None:
    plugin = S3Sync("s3://my-bucket/", path="/work/", prefix="/mine/", interval="60", unit="Folder", exclude="*.tmp, x")
    told = plugin.settings(Machine("bob"))  # type: ignore[arg-type]
    assert (told["bucket"], told["prefix"], told["path"]) == ("my-bucket", "mine/bob", "/work")
    assert (told["interval"], told["whole"], told["exclude"]) == (60.0, True, ["*.tmp", "x"])
    plain = S3Sync("my-bucket").settings(Machine("bob"))  # type: ignore[arg-type]
    assert plain["path"] == "/home/.starcluster/checkpoints/bob"
    assert plain["whole"] is False


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"bucket": "My_Bucket"}, "BUCKET"),
        ({"path": "work"}, "PATH"),
        ({"interval": "often"}, "INTERVAL"),
        ({"interval": "0"}, "INTERVAL"),
        ({"keep": "0"}, "KEEP"),
        ({"unit": "file"}, "UNIT"),
    ],
)
def test_what_can_not_be_meant(settings: dict[str, str], setting: str) -> None:
    with pytest.raises(exception.ConfigSettingError) as caught:
        S3Sync(**{"bucket": "my-bucket", **settings})
    assert caught.value.setting == setting
