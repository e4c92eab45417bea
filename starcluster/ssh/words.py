"""The words of a remote command, as the node's shell is to read them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

_NO_CONNECTION = 255


def plain_command(words: Sequence[str]) -> str:
    """The words joined as ssh joins them: one quoted word, or several, are text for the node's shell.

    StarCluster put the text into single quotes once more, for a shell on this machine; scripts that brought quotes of
    their own around the whole had none in the end.
    """
    text = " ".join(words)
    inner = text[1:-1]
    quoted = len(text) > 2 and text[0] == text[-1] == "'" and "'" not in inner
    return inner if quoted and any(letter.isspace() for letter in inner) else text


def exit_status(status: int, command: str = "") -> int:
    """What a verb ends with that logs in. A command's status is passed on. A shell that somebody typed into ends 0, as
    in StarCluster, whatever its last command did: scripts go on behind it. 255 is ssh's own, for no connection.
    """
    return status if command or status == _NO_CONNECTION else 0


def with_profile(command: str) -> str:
    """The command as the login shell of the user runs it, with /etc/profile's environment, whatever shell that is."""
    inner = '. /etc/profile >/dev/null 2>&1; exec "${SHELL:-/bin/sh}" -c "$0"'
    return f"exec bash -c {shlex.quote(inner)} {shlex.quote(command)}"
