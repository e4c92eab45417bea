"""Python 2's itertools, whose lazy zip, map and filter are built in now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import *  # noqa: F403
from itertools import filterfalse as ifilterfalse  # noqa: F401
from itertools import zip_longest as izip_longest  # noqa: F401
from typing import Any

izip, ifilter = zip, filter


def imap(function: Callable[..., Any] | None, *rows: Iterable[Any]) -> Any:
    """To the end of the shortest; without a function it gives the columns."""
    return zip(*rows, strict=False) if function is None else map(function, *rows)
