"""Small JSON files that are either old or new, never torn, and stay after a power cut."""

from __future__ import annotations

import json
import os
from typing import Any


def write_json(path: str, value: Any, *, durable: bool = True) -> None:
    """Replace the file in one step; `durable` also waits until the disk has it."""
    folder = os.path.dirname(path)
    draft = f"{path}.{os.getpid()}.new"
    with open(draft, "w", encoding="utf-8") as out:
        json.dump(value, out, separators=(",", ":"))
        out.write("\n")
        out.flush()
        if durable:
            os.fsync(out.fileno())
    os.replace(draft, path)
    if durable:
        _sync_folder(folder)


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
