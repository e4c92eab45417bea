"""Python 2's urllib2, whose names lie in three modules now. What is read from a URL, and sent to it, is text."""

from __future__ import annotations

import urllib.request as _today
from typing import Any
from urllib.error import *  # noqa: F403
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlparse
from urllib.request import *  # noqa: F403
from urllib.request import build_opener, install_opener

from starcluster.python2 import to_bytes
from starcluster.python2.texts import Answer

__all__ = [
    "HTTPError",
    "Request",
    "URLError",
    "build_opener",
    "install_opener",
    "quote",
    "unquote",
    "urlopen",
    "urlparse",
]


class Request(_today.Request):
    def __init__(self, url: str, data: Any = None, *words: Any, **named: Any) -> None:
        super().__init__(url, to_bytes(data), *words, **named)

    def add_data(self, data: Any) -> None:
        self.data = to_bytes(data)


def urlopen(url: Any, data: Any = None, *words: Any, **named: Any) -> Answer:
    return Answer(_today.urlopen(url, to_bytes(data), *words, **named))
