"""A copy's login that begins before EC2 has told where the node is, with the words of the last copy to that name.

EC2 decides: the connection is used only if its answer leads to the same words, and until then the node is asked for
nothing. The words name the instance's own host key, so a stranger at the old address is no danger either.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from starcluster import wholefile
from starcluster.cluster.copylink import Link
from starcluster.ownfolder import home

_MOST = 50  # so many names are remembered


class Headstart:
    """`name`: what the user called the node, and where."""

    def __init__(self, name: Sequence[str | None]) -> None:
        self._key = json.dumps(name)
        self._link: Link | None = None

    def begin(self) -> None:
        """Nothing, if no words are known or they lead nowhere: then the login begins when EC2 has answered."""
        words = _read().get(self._key)
        if words:
            with suppress(OSError):  # the ssh program of then is gone
                self._link = Link(words)

    def take(self, words: Sequence[str]) -> Link | None:
        """The connection that was begun, if it is the one to these words and still stands."""
        link, self._link = self._link, None
        if link is None:
            return None
        if link.words == list(words) and link.process.poll() is None:
            return link
        link.kill()
        return None

    def remember(self, words: Sequence[str]) -> None:
        """These have led to the node."""
        known = _read()
        if known.pop(self._key, None) != list(words):
            kept = dict([*known.items()][-_MOST + 1 :])
            with suppress(OSError):  # it is for speed only
                _write({**kept, self._key: list(words)})

    def close(self) -> None:
        if self._link is not None:
            self._link.kill()
            self._link = None


@contextmanager
def headstart(*name: str | None) -> Iterator[Headstart]:
    """A login that has begun if one can; it is gone at the end if nobody took it."""
    begun = Headstart(name)
    try:
        begun.begin()
        yield begun
    finally:
        begun.close()


def _file() -> Path:
    return home() / "cache" / "logins.json"


def _read() -> dict[str, list[str]]:
    try:
        known = json.loads(_file().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    whole = isinstance(known, dict) and all(isinstance(words, list) for words in known.values())
    return known if whole else {}


def _write(known: dict[str, list[str]]) -> None:
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    wholefile.replace(path, json.dumps(known))
