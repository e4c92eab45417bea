"""Of Python 2's cgi what programs used that were no CGI scripts."""

from __future__ import annotations

import html
from urllib.parse import parse_qs, parse_qsl

__all__ = ["escape", "parse_qs", "parse_qsl"]


def escape(s: str, quote: bool = False) -> str:
    return html.escape(s, quote=False).replace('"', "&quot;") if quote else html.escape(s, quote=False)
