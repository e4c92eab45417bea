"""What verbs ask before they take something away, and what they advise where nobody can answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from starcluster.commands import stop


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
