"""starcluster sync: whose settings are taken, and what is said of it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from starcluster import exception
from starcluster.commands import sync

NOTHING: dict[str, str | None] = {"bucket": None, "prefix": "", "path": "", "region": ""}
PUSHED = {"verb": "push", "bucket": "b", "prefix": "p/bob", "path": "/work", "late": [], "number": 4, "ok": True}


def test_a_bucket_that_is_named_needs_a_folder() -> None:
    assert sync._named("mycluster", "bob", NOTHING) is None
    named = sync._named("mycluster", "bob", {**NOTHING, "bucket": "b", "path": "/work"})
    assert named is not None
    assert (named["bucket"], named["prefix"], named["path"]) == ("b", "mycluster/bob", "/work")
    with pytest.raises(click.UsageError, match="an absolute path"):
        sync._named("mycluster", "bob", {**NOTHING, "bucket": "b", "path": "work"})
    with pytest.raises(click.UsageError, match="--path goes with --bucket"):
        sync._named("mycluster", "bob", {**NOTHING, "path": "/work"})


def test_the_first_fault_is_the_error() -> None:
    fine: dict[str, Any] = {"ok": True}
    sync._raise_first("bob", [fine])
    with pytest.raises(exception.SyncError, match="bob: no bucket") as caught:
        sync._raise_first("bob", [fine, {"ok": False, "error": "no bucket", "hint": "make it"}])
    assert caught.value.hint == "make it"
    assert not isinstance(caught.value, exception.UserMustAct)


@pytest.mark.parametrize("kind", ["keys", "denied", "missing", "region", "full"])
def test_what_no_other_try_can_cure_is_told_apart(kind: str) -> None:
    with pytest.raises(exception.SyncRefused, match="bob: no bucket"):
        sync._raise_first("bob", [{"ok": False, "error": "no bucket", "hint": "", "kind": kind}])


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (
            {**PUSHED, "new": True, "files": 3, "sent": 1 << 20, "seconds": 2.5},
            "bob: snapshot 4 of /work is in s3://b/p/bob: 3 files, 1.0 MiB sent in 2.5 s",
        ),
        (
            {**PUSHED, "new": False, "note": "nothing is new", "late": ["x"]},
            "bob: /work: nothing is new since snapshot 4 in s3://b/p/bob; still as before: x",
        ),
        (
            {**PUSHED, "verb": "restore", "done": True, "files": 2, "size": 0, "seconds": 1},
            "bob: 2 files (0.0 MiB) of snapshot 4 restored from s3://b/p/bob to /work in 1 s",
        ),
        (
            {**PUSHED, "verb": "restore", "done": False, "why": "files are newer", "newer": ["a"]},
            "bob: nothing restored to /work, files are newer: a",
        ),
    ],
)
def test_what_was_done_in_one_line(told: dict[str, Any], words: str) -> None:
    assert sync.sentence("bob", told) == words


class Asked:
    """A cluster's only node, and its s3: answers with `told`, and notes what it was asked."""

    alias = "Bob"

    def __init__(self, *told: dict[str, Any]) -> None:
        self.told, self.done = list(told), list[Any]()
        self.clusters = self.s3 = self

    def get(self, _: str) -> Asked:
        return self

    def get_node(self, _: str) -> Asked:
        return self

    def install(self) -> None:
        self.done.append("install")

    def ask(self, verb: str, *words: str, settings: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        self.done.append((verb, words, settings))
        return self.told


def typed(asked: Asked, *words: str) -> Result:
    return CliRunner().invoke(sync.command, words, obj=SimpleNamespace(clusters=asked))


RESTORED = {**PUSHED, "verb": "restore", "done": False, "why": "files are newer", "newer": []}
NONE_SET_UP = {"ok": False, "name": "", "verb": "push", "error": "no sync is set up on this node", "hint": "name one"}


def test_the_client_is_brought_before_it_is_asked() -> None:
    asked = Asked(RESTORED)
    assert typed(asked, "down", "mycluster", "bob", "--force").exit_code == 0
    assert asked.done == ["install", ("restore", ("--force",), None)]


def test_json_is_all_that_is_printed() -> None:
    done = typed(Asked(RESTORED), "down", "mycluster", "bob", "--json")
    assert json.loads(done.stdout) == [RESTORED]


def test_a_node_without_the_plugin_is_an_error_with_json_as_well() -> None:
    plain = typed(Asked(NONE_SET_UP), "up", "mycluster", "bob")
    assert isinstance(plain.exception, exception.SyncError)
    assert "Bob: no sync is set up on this node" in str(plain.exception)
    as_json = typed(Asked(NONE_SET_UP), "up", "mycluster", "bob", "--json")
    assert json.loads(as_json.stdout) == [NONE_SET_UP]
    assert as_json.exit_code != 0


@pytest.mark.parametrize("words", [["up", "mycluster"], ["up", "mycluster", "bob", "--force"], ["sideways", "c", "n"]])
def test_words_that_it_does_not_know(words: list[str]) -> None:
    asked = Asked()
    assert typed(asked, *words).exit_code == 2
    assert asked.done == []
