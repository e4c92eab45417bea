"""Small JSON files that are either old or new, never torn, and stay after a power cut."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any


def write_json(path: str, value: Any, *, durable: bool = True) -> None:
    """Replace the file in one step; `durable` also waits until the disk has it."""
    draft = f"{path}.{os.getpid()}.new"
    try:
        with open(draft, "w", encoding="utf-8") as out:
            json.dump(value, out, separators=(",", ":"))
            out.write("\n")
            out.flush()
            if durable:
                os.fsync(out.fileno())
        os.replace(draft, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
    if durable:
        _sync_folder(os.path.dirname(path))


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_json(path: str) -> dict[str, Any] | None:
    """The object in the file; None when there is none, or none that can be read."""
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


class Kept:
    """A file on the disk that has a spare place in memory, for a disk that is full, broken or read-only.

    How a command ended must not get lost because the command has filled the disk.
    """

    def __init__(self, path: str, spares: str) -> None:
        self.path = path
        self._spare = os.path.join(spares, ".".join(path.split("/")[-3:])) if spares else ""

    def write(self, value: Any) -> None:
        """To the disk, else to memory; OSError when there is room in neither."""
        try:
            write_json(self.path, value)
        except OSError:
            if not self._spare:
                raise
            os.makedirs(os.path.dirname(self._spare), exist_ok=True)
            write_json(self._spare, value, durable=False)
        else:
            with contextlib.suppress(OSError):
                os.unlink(self._spare)

    def read(self) -> dict[str, Any] | None:
        """What was written last."""
        return (read_json(self._spare) if self._spare else None) or read_json(self.path)
