"""The remote command out of the words on our command line."""

from __future__ import annotations

from collections.abc import Sequence


def plain_command(words: Sequence[str]) -> str:
    """The words joined as ssh joins them: one quoted word, or several, are text for the node's shell."""
    return " ".join(words)
