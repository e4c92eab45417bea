"""Python 2's urllib, whose functions lie in three modules now."""

from __future__ import annotations

from urllib.error import ContentTooShortError
from urllib.parse import quote, quote_plus, unquote, unquote_plus, urlencode
from urllib.request import (
    getproxies,
    pathname2url,
    url2pathname,
    urlcleanup,
    urlopen,
    urlretrieve,
)

__all__ = [
    "ContentTooShortError",
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
