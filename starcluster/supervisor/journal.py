"""What happened to a name, one line of JSON an event, on the user's own disk: history, never the truth.

    STARCLUSTER_HOME/journal/TAG/NAME.jsonl     {"at": "2026-01-31T12:00:00.123Z", "event": ..., ...}

A line that was torn by a crash is left out when read; what follows it begins on a line of its own. A journal that
has grown long keeps its newest lines only.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starcluster import names
from starcluster.logger import log
from starcluster.ownfolder import home

MOST = 4 << 20  # bytes; a longer journal is compacted when a driver begins with it
KEPT = 5000  # lines

Listener = Callable[[dict[str, Any]], None]


def journal_folder() -> Path:
    return home() / "journal"


def moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Journal:
    def __init__(self, folder: Path, cluster: str, *, listener: Listener | None = None) -> None:
        self._folder = folder / cluster
        self._cluster = cluster
        self._listener = listener
        self._lock = threading.Lock()
        self._told: dict[str, set[tuple[object, ...]]] = {}

    def path(self, name: str) -> Path:
        return self._folder / f"{names.fold(name)}.jsonl"

    def add(self, name: str, event: str, *, at: datetime | None = None, **detail: Any) -> None:
        """Append one event. A disk that is full or away costs the history, not the job."""
        line = {"at": moment(at or datetime.now(UTC)), "cluster": self._cluster, "name": name, "event": event, **detail}
        with self._lock:
            try:
                self._append(self.path(name), json.dumps(line, default=str))
            except OSError as error:
                log.debug("no journal: %s", error)
        if self._listener:
            self._listener(line)

    def _append(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("ab+") as file:
            size = file.seek(0, os.SEEK_END)
            torn = False
            if size:
                file.seek(size - 1)
                torn = file.read(1) != b"\n"
            file.write((b"\n" if torn else b"") + text.encode() + b"\n")

    def add_once(
        self, name: str, key: tuple[object, ...], event: str, *, at: datetime | None = None, **detail: Any
    ) -> bool:
        """Append an event that may be met in many looks; True when it is new, also to the file."""
        known = self._told.get(name)
        if known is None:
            self._compact(name)
            known = self._told[name] = {tuple(one["key"]) for one in self.read(name) if "key" in one}
        if key in known:
            return False
        known.add(key)
        self.add(name, event, at=at, key=list(key), **detail)
        return True

    def _compact(self, name: str) -> None:
        """Keep the newest lines of a long journal; the file is the old one or the new one, never a part."""
        path = self.path(name)
        draft = path.with_suffix(f".{os.getpid()}.new")
        with self._lock:
            try:
                if path.stat().st_size <= MOST:
                    return
                lines = path.read_bytes().splitlines(keepends=True)[-KEPT:]
                draft.write_bytes(b"".join(lines))
                draft.replace(path)
            except FileNotFoundError:
                return
            except OSError as error:
                log.debug("the journal stays as long as it is: %s", error)

    def read(self, name: str) -> list[dict[str, Any]]:
        """All whole events of a name, the oldest first; [] when there is no journal."""
        try:
            lines = self.path(name).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        found = []
        for line in lines:
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict) and "event" in value:
                found.append(value)
        return found
