"""starcluster sync: whose settings are taken, and what is said of it."""

from __future__ import annotations

from typing import Any

import click
import pytest

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
