"""The words of a remote command, as the node's shell is to read them."""

from __future__ import annotations

import shlex
import string
from collections.abc import Sequence

_NO_CONNECTION = 255
_LONGEST = 131_000  # bytes in one word of a command, by Linux


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
    """The command as the login shell of the user runs it, with /etc/profile's environment, whatever shell that is.

    bash reads the profile itself, for there are functions in it that nobody exports, such as `module`. The command
    is $0 on its way there, since a profile may set the numbered ones.
    """
    profile = ". /etc/profile >/dev/null 2>&1; "
    bash = f'exec bash -c "{profile}$0"'
    other = f'{profile}exec "$SHELL" -c "$0"'
    inner = f'case "${{SHELL##*/}}" in bash | "") {bash} ;; *) {other} ;; esac'
    whole = f"exec bash -c {shlex.quote(inner)} {shlex.quote(command)}"
    if len(whole.encode("utf-8", "surrogateescape")) > _LONGEST:  # quotes grow; a shell of sh's family needs none here
        return profile + command
    return whole


def is_printable(char: str) -> bool:
    """As string.printable has it, tabs too, and every other letter."""
    return char in string.printable or char.isprintable()


def lines_of(*streams: bytes) -> list[str]:
    """The lines of one stream after the other, stripped; only a newline ends one, no form feed and the like."""
    texts = [stream.decode("utf-8", "replace") for stream in streams]
    return [line.strip(string.whitespace) for text in texts for line in text.removesuffix("\n").split("\n") if text]
