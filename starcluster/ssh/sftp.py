"""paramiko's SFTP client, whose errors tell which file of which node they are about."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from starcluster.ssh.lean import paramiko


class TellingSftp:
    """What the client raises stays what it is: old plugins look at its kind, its number and its text."""

    def __init__(self, client: paramiko.SFTPClient, label: str) -> None:
        self._client, self._label = client, label

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return self._telling(name, found) if callable(found) else found

    def _telling(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*words: Any, **named: Any) -> Any:
            try:
                return method(*words, **named)
            except OSError as error:
                paths = [str(word) for word in (*words, *named.values()) if isinstance(word, str | bytes)]
                error.add_note(f"{' '.join([name, *paths])} on {self._label}")
                raise

        return call
