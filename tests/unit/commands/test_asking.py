"""What verbs ask before they take something away, and what they advise where nobody can answer."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import click
import pytest

from starcluster import exception
from starcluster.commands import reload, removekey, stop, terminate
from starcluster.commands.asking import confirmed


def node(alias: str, *, spot: bool) -> Any:
    return SimpleNamespace(alias=alias, is_stoppable=lambda: not spot)


@pytest.mark.parametrize(
    ("nodes", "asked"),
    [
        ([], "Stop cluster bio"),
        ([node("master", spot=False)], "Stop cluster bio"),
        (
            [node("master", spot=False), node("gpu1", spot=True), node("node001", spot=True)],
            "Stop cluster bio and terminate gpu1, node001 (spot)",
        ),
    ],
)
def test_stop_says_which_nodes_it_ends_for_good(nodes: list[Any], asked: str) -> None:
    assert stop.question("bio", nodes) == asked


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        (terminate.command, "--yes (or -c, --confirm) does it unasked"),
        (removekey.command, "--yes (or -c, --confirm) does it unasked"),
        (reload.command, "--yes (or -y, --confirm) does it unasked"),  # -c is --cluster-template there
        (click.Command("odd"), ""),
    ],
)
def test_the_advice_where_nobody_answers_names_the_verbs_own_options(
    command: click.Command, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with click.Context(command), pytest.raises(exception.BaseException, match="nobody answers") as caught:
        confirmed("Do it")
    assert caught.value.hint == advice
