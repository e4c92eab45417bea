"""The bytes of objects, as files: written beside, moved in when whole, never changed afterwards."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Blob:
    """Bytes that are whole: their name, length and MD5 in hex."""

    name: str
    size: int
    md5: str


class Blobs:
    """A folder of blobs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._drafts = folder / "drafts"
        self._drafts.mkdir(mode=0o700, parents=True, exist_ok=True)

    def take(self, chunks: Iterable[bytes]) -> Blob:
        """Keep what the chunks hold; when they end in an error nothing stays."""
        name = secrets.token_hex(16)
        draft = self._drafts / name
        digest, size = hashlib.md5(usedforsecurity=False), 0
        try:
            with draft.open("xb") as out:
                for chunk in chunks:
                    digest.update(chunk)
                    out.write(chunk)
                    size += len(chunk)
            place = self._path(name)
            place.parent.mkdir(mode=0o700, exist_ok=True)
            draft.rename(place)
        finally:
            draft.unlink(missing_ok=True)
        return Blob(name=name, size=size, md5=digest.hexdigest())

    def same(self, name: str) -> str:
        """Another name for the same bytes."""
        other = secrets.token_hex(16)
        place = self._path(other)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        os.link(self._path(name), place)
        return other

    def open(self, name: str) -> BinaryIO:
        return self._path(name).open("rb")

    def drop(self, names: Iterable[str]) -> None:
        """Remove them; who reads one now reads on."""
        for name in names:
            self._path(name).unlink(missing_ok=True)

    def sweep(self, known: set[str]) -> None:
        """Remove what a daemon that was killed has left."""
        for draft in self._drafts.iterdir():
            draft.unlink(missing_ok=True)
        for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            if path.name not in known:
                path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name


class Pieces:
    """`length` bytes from `start` of files that follow one another. Is to be closed, read or not."""

    def __init__(self, pieces: list[tuple[BinaryIO, int]], start: int, length: int) -> None:
        self._pieces, self._start, self._length = pieces, start, length

    def __iter__(self) -> Iterator[bytes]:
        start, length = self._start, self._length
        for stream, size in self._pieces:
            if start >= size:
                start -= size
                continue
            stream.seek(start)
            left = min(size - start, length)
            start, length = 0, length - left
            yield from _read(stream, left)
            if length == 0:
                return

    def close(self) -> None:
        for stream, _ in self._pieces:
            stream.close()


def _read(stream: BinaryIO, left: int) -> Iterator[bytes]:
    while left:
        chunk = stream.read(min(CHUNK, left))
        if not chunk:
            raise OSError("a blob is shorter than it was")
        left -= len(chunk)
        yield chunk
