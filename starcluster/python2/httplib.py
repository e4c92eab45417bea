"""Python 2's httplib: bodies are text."""

from __future__ import annotations

import http.client as _today
from http.client import *  # noqa: F403
from typing import Any

from starcluster.python2 import to_bytes
from starcluster.python2.texts import Answer


class _Text:
    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **named: Any) -> None:
        super().request(method, url, to_bytes(body), headers or {}, **named)

    def getresponse(self, buffering: bool = False) -> Any:
        return Answer(super().getresponse())


class HTTPConnection(_Text, _today.HTTPConnection):
    """A connection, of text."""

    def __init__(self, host: str, port: int | None = None, strict: Any = None, *words: Any, **named: Any) -> None:
        super().__init__(host, port, *words, **named)


class HTTPSConnection(_Text, _today.HTTPSConnection):
    """An encrypted one."""
