"""Reads an attempt's log where the shared volume lives, over the files that it was parted into."""

from __future__ import annotations

import os
from typing import Any

from starcluster.agent.logfile import files_of
from starcluster.agent.places import Places
from starcluster.agent.report import last_run


def tail(places: Places, order: dict[str, Any]) -> dict[str, Any]:
    """The end of an attempt's log: {"text", "file", "offset"}; `file` and `offset` ask for what came after it."""
    name = str(order["name"])
    attempt = int(order.get("attempt") or 0) or last_run(places, name)
    path = places.log_file(name, attempt)
    most = int(order.get("bytes") or 65536)
    try:
        if order.get("offset") is None:
            return {"attempt": attempt, **_last(path, most, int(order.get("lines") or 0))}
        return {"attempt": attempt, **_after(path, most, int(order["offset"]), int(order.get("file") or 0))}
    except OSError as error:
        return {"attempt": attempt, "text": "", "offset": 0, "error": error.strerror}


def _read(path: str, offset: int, most: int) -> tuple[bytes, int]:
    """The bytes there, and the number of the file that they are of: it stays when the file is renamed."""
    with open(path, "rb") as log:
        log.seek(offset)
        return log.read(most), os.fstat(log.fileno()).st_ino


def _last(path: str, most: int, lines: int) -> dict[str, Any]:
    """The last bytes; of a log that has just been parted also the end of the part before."""
    size = os.stat(path).st_size
    text, number = _read(path, max(0, size - most), most)
    end = max(0, size - most) + len(text)
    older = f"{path}.1"
    if len(text) < most and os.path.exists(older):
        before = os.stat(older).st_size
        text = _read(older, max(0, before - most + len(text)), most - len(text))[0] + text
    shown = text.decode("utf-8", "replace")
    if lines:
        shown = "\n".join(shown.splitlines()[-lines:])
    return {"text": shown, "file": number, "offset": end}


def _after(path: str, most: int, offset: int, number: int) -> dict[str, Any]:
    """What follows in the file that was being read, and after its end in the next newer one."""
    if not offset and not number and not os.path.exists(path) and os.path.isdir(os.path.dirname(path)):
        return {"text": "", "file": 0, "offset": 0}  # the attempt is about to begin
    parts = files_of(path)
    here = next((at for at, one in enumerate(parts) if os.stat(one).st_ino == number), None)
    if here is None and (number or not offset):  # from the beginning, or more was written than is kept
        here, offset = len(parts) - 1, 0
    at = here or 0
    text, found = _read(parts[at], min(offset, os.stat(parts[at]).st_size), most)
    offset = min(offset, os.stat(parts[at]).st_size) + len(text)
    if not text and at > 0:
        text, found = _read(parts[at - 1], 0, most)
        offset = len(text)
    return {"text": text.decode("utf-8", "replace"), "file": found, "offset": offset}
