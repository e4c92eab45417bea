"""starcluster local: what is said of nodes, and what is asked before they go."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from starcluster.commands.local import left_words
from starcluster.localcloud import control
from tests.unit.commands.conftest import Run


def node(instance_id: str, launched: float, alias: str = "bob", state: str = "running") -> dict[str, Any]:
    return {
        "instance_id": instance_id,
        "state": state,
        "launched": launched,
        "public_dns": "",
        "public_ip": "127.77.0.1",
        "user": "ubuntu",
        "tags": {"@sc-cluster": "c", "alias": alias},
    }


class Down:
    """A local cloud with some nodes, up until it is told to end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *nodes: dict[str, Any]) -> None:
        self.ended = False
        monkeypatch.setattr(control, "status", lambda folder: {"pid": 1})
        monkeypatch.setattr(control, "call", lambda folder, op: {"nodes": list(nodes)})
        monkeypatch.setattr(control, "down", self._end)

    def _end(self, folder: Path, *, delete: bool) -> None:
        self.ended = True


def test_an_alias_of_two_nodes_means_the_newest(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Down(monkeypatch, node("i-new", 2), node("i-old", 1), node("i-other", 1, "eve"), node("i-third", 3, "c-ann"))
    hosts = [line for line in run("local", "ssh-config").out.splitlines() if line.startswith("Host ")]
    assert hosts == [
        "Host i-old 127.77.0.1",
        "Host c-eve i-other 127.77.0.1",
        "Host c-bob i-new 127.77.0.1",
        "Host c-ann i-third 127.77.0.1",
    ]


def test_down_names_the_clusters_that_it_ends(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Down(monkeypatch, node("i-1", 1))
    result = run("local", "down")
    assert (result.code, cloud.ended) == (0, True)
    assert "*** WARNING - The instances of c are terminated by this" in result.out


@pytest.mark.parametrize(("answer", "options", "ended"), [("n\n", [], False), ("y\n", [], True), ("", ["-c"], True)])
def test_down_asks_on_a_terminal(
    run: Run, monkeypatch: pytest.MonkeyPatch, answer: str, options: list[str], ended: bool
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    cloud = Down(monkeypatch, node("i-1", 1))
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert run("local", "down", *options).code == 0
    assert cloud.ended is ended


def test_down_of_an_empty_cloud_says_nothing_of_clusters(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Down(monkeypatch)
    assert "WARNING" not in run("local", "down").out
    assert cloud.ended


@pytest.mark.parametrize(
    ("notice", "speed", "words"),
    [(120, 30, "in 4 s (120 of EC2's)"), (120, 1, "in 120 s"), (0, 30, "now"), (1, 100, "in 0.01 s (1 of EC2's)")],
)
def test_how_long_an_interrupted_node_has(notice: float, speed: float, words: str) -> None:
    assert left_words(notice, speed) == words


def test_an_interruption_is_told_in_the_clouds_own_seconds(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "status", lambda folder: {"pid": 1, "speed": 30})
    spot = node("i-1", 1) | {"lifecycle": "spot"}
    monkeypatch.setattr(control, "call", lambda folder, op, **words: {"nodes": [spot]})
    result = run("local", "interrupt", "c", "bob")
    assert (result.code, result.out) == (0, ">>> EC2 takes bob (i-1) in 4 s (120 of EC2's)\n")
