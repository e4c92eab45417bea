"""calls.jsonl: every API call and everything the cloud did by itself, with wall times, one JSON object a line.

Commands on nodes are in it where an order says so, see faults.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

KEPT = 20_000
TOLD = 200  # characters of a command and of its input


class CallLog:
    """Appends entries to a file and keeps the last ones at hand. Each has a rising `number` and `at`."""

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._number = 0
        self._kept: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._file: int | None = None
        if path is not None:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def call(
        self, *, action: str, began: float, ids: list[str], error: str | None, service: str, status: int, client: str,
        tags: dict[str, list[str]],
    ) -> None:  # fmt: skip
        """One API call: seconds since the epoch, the ids it named, its error code, which program asked.

        `tags`: the keys that it gives to what it makes, by kind of resource.
        """
        ended = time.time()
        made = {"tags": tags} if tags else {}
        self._add(
            kind="call", at=began, ended=ended, seconds=round(ended - began, 6), service=service, action=action,
            ids=ids, error=error, status=status, client=client, **made,
        )  # fmt: skip

    def command(self, *, text: str, given: str, began: float, ids: list[str], error: str | None) -> None:
        """One SSH command on a node that somebody watches: the beginnings of it and of its input, which node it is."""
        ended = time.time()
        self._add(
            kind="command", at=began, ended=ended, seconds=round(ended - began, 6), command=text[:TOLD],
            given=given[:TOLD], ids=ids, error=error,
        )  # fmt: skip

    def event(self, what: str, subject: str, **facts: Any) -> None:
        """Something the cloud did: a change of state, a notice, a death."""
        self._add(kind="event", at=time.time(), what=what, subject=subject, **facts)

    def _add(self, **entry: Any) -> None:
        with self._lock:
            self._number += 1
            entry["number"] = self._number
            self._kept.append(entry)
            if self._file is not None:
                with contextlib.suppress(OSError):  # a full disk does not stop the cloud; `local status` tells of it
                    os.write(self._file, json.dumps(entry, default=str).encode() + b"\n")

    def after(self, number: int) -> list[dict[str, Any]]:
        """The entries with a higher number, as far as they are kept."""
        with self._lock:
            return [entry for entry in self._kept if entry["number"] > number]

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None
