"""Python 2's gzip: its files take and give text."""

from __future__ import annotations

import gzip as _today
import io
from typing import Any

from starcluster.python2 import to_bytes, to_text
from starcluster.python2.texts import text_file


def open(filename: Any, mode: str = "rb", compresslevel: int = 9) -> Any:  # noqa: A001
    return text_file(_today.GzipFile(filename, mode, compresslevel))


def GzipFile(filename: Any = None, mode: str | None = None, compresslevel: int = 9, fileobj: Any = None) -> Any:
    if isinstance(fileobj, io.TextIOBase):
        writes = mode is not None and mode[0] in "wa"
        fileobj = _Below(fileobj) if writes else io.BytesIO(to_bytes(fileobj.read()))
    return text_file(_today.GzipFile(filename, mode, compresslevel, fileobj))


class _Below:
    """Takes the bytes for a file of text."""

    name = ""

    def __init__(self, file: io.TextIOBase) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        self._file.write(to_text(bytes(data)))
        return len(data)

    def flush(self) -> None:
        self._file.flush()
