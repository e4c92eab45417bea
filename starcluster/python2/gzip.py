"""Python 2's gzip: its files take and give text."""

from __future__ import annotations

import gzip as _today
from typing import Any

from starcluster.python2.texts import text_file


def open(filename: Any, mode: str = "rb", compresslevel: int = 9) -> Any:  # noqa: A001
    return text_file(_today.GzipFile(filename, mode, compresslevel))


def GzipFile(filename: Any = None, mode: str | None = None, compresslevel: int = 9, fileobj: Any = None) -> Any:
    return text_file(_today.GzipFile(filename, mode, compresslevel, fileobj))
