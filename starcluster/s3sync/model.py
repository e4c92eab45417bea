"""Files and snapshots as values, and their form in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

VERSION = 1
FILE, LINK, FOLDER = "file", "link", "folder"
_LEAVE_OUT = ("", 0)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file, symbolic link or folder. `path` is below the synced folder; `mtime` in nanoseconds.

    A file that is in the bucket has `sha256`, and lies in `object` from `offset` on.
    """

    path: str
    kind: str = FILE
    size: int = 0
    mtime: int = 0
    mode: int = 0
    uid: int = 0
    gid: int = 0
    target: str = ""
    sha256: str = ""
    object: str = ""
    offset: int = 0

    def is_like(self, other: Entry | None) -> bool:
        """Whether the content is the same, as far as kind, size and time tell."""
        return other is not None and self._mark() == other._mark()

    def _mark(self) -> tuple[str | int, ...]:
        if self.kind == FILE:
            return self.kind, self.size, self.mtime
        return self.kind, self.target

    def is_just(self, other: Entry | None) -> bool:
        """The same also in mode and owner."""
        return self.is_like(other) and other is not None and self._owner() == other._owner()

    def _owner(self) -> tuple[int, int, int]:
        return self.mode, self.uid, self.gid

    def stored_as(self, other: Entry) -> Entry:
        """This entry, with the content lying where the other's does."""
        return replace(self, sha256=other.sha256, object=other.object, offset=other.offset)

    def plain(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value not in _LEAVE_OUT}


_NAMES = frozenset(field.name for field in fields(Entry))


def entry_of(plain: Mapping[str, Any]) -> Entry:
    return Entry(**{name: value for name, value in plain.items() if name in _NAMES})


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A snapshot of the folder. `writer` was set up at `since`; `late`: units that are older than the rest."""

    number: int
    made: float
    writer: str
    since: float
    entries: tuple[Entry, ...]
    late: tuple[str, ...] = ()

    @property
    def by_path(self) -> dict[str, Entry]:
        return {one.path: one for one in self.entries}

    @property
    def files(self) -> list[Entry]:
        return [one for one in self.entries if one.kind == FILE]

    @property
    def size(self) -> int:
        return sum(one.size for one in self.files)

    @property
    def objects(self) -> set[str]:
        return {one.object for one in self.entries if one.object}

    def text(self) -> bytes:
        head = {
            "v": VERSION, "number": self.number, "made": self.made, "writer": self.writer, "since": self.since,
            "late": list(self.late),
        }  # fmt: skip
        return json.dumps({**head, "entries": [one.plain() for one in self.entries]}, separators=(",", ":")).encode()


def manifest_of(text: bytes) -> Manifest:
    """Raises ValueError for what is no manifest, or one of a later version."""
    try:
        plain = json.loads(text)
        if plain["v"] != VERSION:
            raise ValueError(f"version {plain['v']}")
        return Manifest(
            number=int(plain["number"]),
            made=float(plain["made"]),
            writer=str(plain["writer"]),
            since=float(plain["since"]),
            entries=tuple(_safe(entry_of(one)) for one in plain["entries"]),
            late=tuple(plain.get("late", ())),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a manifest: {error!r}") from None


def _safe(entry: Entry) -> Entry:
    """A path that leads out of the folder is refused, whoever has written it."""
    if any(part in ("", ".", "..") for part in entry.path.split("/")):
        raise ValueError(f"not a path below a folder: {entry.path!r}")
    return entry


def total(entries: Iterable[Entry]) -> int:
    return sum(one.size for one in entries if one.kind == FILE)
