"""A plugin that remembers its hooks."""

from __future__ import annotations

from typing import Any

from starcluster.clustersetup import ClusterSetup

HEARD: list[tuple[str, str, tuple[Any, ...]]] = []


class Greeting(ClusterSetup):
    def __init__(self, word: str) -> None:
        self.word = word

    def run(self, *words: Any) -> None:
        HEARD.append((self.word, "run", words))

    def on_add_node(self, *words: Any) -> None:
        HEARD.append((self.word, "on_add_node", words))
