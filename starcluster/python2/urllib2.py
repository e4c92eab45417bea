"""Python 2's urllib2, whose names lie in three modules now. What is read from a URL is bytes, as it came."""

from __future__ import annotations

from urllib.error import *  # noqa: F403
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlparse
from urllib.request import *  # noqa: F403
from urllib.request import Request, build_opener, install_opener, urlopen

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
