"""A plugin that prints does so into a pipe that may be dead."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

import pytest

from starcluster.cluster.hooks import run_hook
from starcluster.cluster.printing import Guarded, guarded_output
from starcluster.clustersetup import ClusterSetup


class Talks(ClusterSetup):
    def on_add_node(self, node: Any, *others: Any) -> None:
        print("adding", node)
        print("to stderr", file=sys.stderr, flush=True)
        sys.stdout.writelines(["one\n", "two\n"])
        sys.stdout.flush()


def test_a_print_into_a_dead_pipe_fails_no_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """stdout and stderr as `2>&1 | head` leaves them, written line by line."""
    reads, writes = os.pipe()
    os.close(reads)
    raw = io.FileIO(writes, "w")
    dead_pipe = io.TextIOWrapper(raw, write_through=True)
    monkeypatch.setattr(sys, "stdout", dead_pipe)
    monkeypatch.setattr(sys, "stderr", dead_pipe)
    with pytest.raises(BrokenPipeError):
        print("without it")
    run_hook(Talks(), "on_add_node", ("node001",))
    assert sys.stdout is dead_pipe
    with pytest.raises(BrokenPipeError):  # `listclusters | head` ends as it did
        print("after it")
    raw.close()


def test_what_is_read_arrives(capsys: pytest.CaptureFixture[str]) -> None:
    run_hook(Talks(), "on_add_node", ("node001",))
    out, err = capsys.readouterr()
    assert "adding node001\none\ntwo\n" in out
    assert err == "to stderr\n"


def test_the_first_that_ends_takes_nothing_from_the_others() -> None:
    before: object = sys.stdout
    first, second = guarded_output(), guarded_output()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert isinstance(sys.stdout, Guarded)
    assert sys.stdout.stream is before
    second.__exit__(None, None, None)
    assert sys.stdout is before


def test_what_somebody_else_put_there_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    other = io.StringIO()
    with guarded_output():
        sys.stdout = other
    assert sys.stdout is other


def test_what_the_terminal_has_not_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="utf-8", write_through=True))
    with guarded_output():
        print("caf\udce9")
    assert raw.getvalue() == b"caf\\udce9\n"
