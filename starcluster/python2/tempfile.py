"""Python 2's tempfile: its files take text."""

from __future__ import annotations

import tempfile as _today
from tempfile import *  # noqa: F403
from typing import Any


def _text(mode: str) -> dict[str, Any]:
    """Files are opened `w+b` by default, and were written strings."""
    return {"mode": mode.replace("b", ""), "encoding": "utf-8", "errors": "surrogateescape", "newline": ""}


def NamedTemporaryFile(
    mode: str = "w+b",
    bufsize: int = -1,
    suffix: str = "",
    prefix: str = "tmp",
    dir: str | None = None,  # noqa: A002
    delete: bool = True,
) -> Any:
    return _today.NamedTemporaryFile(suffix=suffix, prefix=prefix, dir=dir, delete=delete, **_text(mode))


def TemporaryFile(
    mode: str = "w+b",
    bufsize: int = -1,
    suffix: str = "",
    prefix: str = "tmp",
    dir: str | None = None,  # noqa: A002
) -> Any:
    return _today.TemporaryFile(suffix=suffix, prefix=prefix, dir=dir, **_text(mode))
