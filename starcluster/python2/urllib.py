"""Python 2's urllib, whose functions lie in three modules now. What is read from a URL is text."""

from __future__ import annotations

import urllib.parse as _parse
from typing import Any
from urllib.error import ContentTooShortError
from urllib.parse import quote, quote_plus, unquote, unquote_plus, urlencode
from urllib.parse import urljoin as basejoin
from urllib.request import (
    getproxies,
    pathname2url,
    url2pathname,
    urlcleanup,
    urlretrieve,
)

from starcluster.python2.urllib2 import urlopen

__all__ = [
    "ContentTooShortError",
    "basejoin",
    "getproxies",
    "pathname2url",
    "quote",
    "quote_plus",
    "unquote",
    "unquote_plus",
    "url2pathname",
    "urlcleanup",
    "urlencode",
    "urlopen",
    "urlretrieve",
]


def __getattr__(name: str) -> Any:
    return getattr(_parse, name)
