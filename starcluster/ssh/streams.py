"""Reading what a command on a node prints."""

from __future__ import annotations

import sys
from typing import Any

from starcluster.ssh.lean import paramiko

_BLOCK = 32768


def drain(receive: Any, parts: list[bytes], echo: bool) -> None:
    """Read one stream of a channel to its end."""
    while True:
        block = receive(_BLOCK)
        if not block:
            return
        parts.append(block)
        if echo:
            say(block)


def say(text: bytes) -> None:
    """On this terminal."""
    sys.stdout.write(text.decode("utf-8", "replace"))
    sys.stdout.flush()


def drain_patiently(channel: paramiko.Channel, parts: list[bytes]) -> None:
    """Read standard error to its end; its silence means nothing, the reader of standard output keeps the time."""
    while not channel.closed:
        try:
            drain(channel.recv_stderr, parts, False)
        except TimeoutError:
            continue
        return
