"""The words of a remote command, as the node's shell is to read them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


def plain_command(words: Sequence[str]) -> str:
    """The words joined as ssh joins them: one quoted word, or several, are text for the node's shell."""
    return " ".join(words)


def with_profile(command: str) -> str:
    """The command as the login shell of the user runs it, with /etc/profile's environment, whatever shell that is."""
    inner = '. /etc/profile >/dev/null 2>&1; exec "${SHELL:-/bin/sh}" -c "$0"'
    return f"exec bash -c {shlex.quote(inner)} {shlex.quote(command)}"
