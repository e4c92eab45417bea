"""What the two ends of a copy say to each other: frames of a kind (1 byte), a length (4 bytes) and so many bytes.

    sender    LIST* END             what there is, in batches of entries
    receiver  WANT* END             which files it lacks, and how much of each it has already
    sender    (SMALL | FILE DATA|HOLE* DONE)* END
    receiver  RESULT
    either    REFUSED               instead of the next frame: this copy can not be, in a sentence for the user

SMALL is a whole file in one frame. What is sent of a file is compared by its CRC-32, which costs nothing, and the
connection checks each packet itself; what the other end has already is compared by SHA-256.

Paths are bytes; in JSON they are UTF-8 in which other bytes are lone surrogates, so every name passes.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import struct
import zlib
from collections.abc import Iterator
from io import RawIOBase
from typing import Any, BinaryIO, NamedTuple

BLOCK = 1 << 18
LITTLE = 1 << 16  # so large a file goes in one frame
ASK, LIST, WANT, SMALL, FILE, DATA, HOLE, DONE, END, RESULT, REFUSED = (bytes([letter]) for letter in b"QLWSFDHTERX")
FOLDER, LINK, PLAIN = "d", "l", "f"
READY = b"\0copyends 1\n"
PART = b".starcluster-part"
SMALL_HEAD = struct.Struct(">IqII")  # number in the list, time in ns, mode, CRC-32 of what follows
_HEAD = struct.Struct(">cI")
_LONGEST = 1 << 26  # of a frame of JSON; more is noise
_NAME_MAX = 255
_AHEAD = 1 << 17
_DIRECTLY = 1 << 17  # so much is not copied into the sink's buffer first


class Lost(Exception):
    """The other end is gone, or what comes is no frame."""


class Refused(Exception):
    """This copy can not be; the text is for the user."""


class Entry(NamedTuple):
    """One thing to copy. `path` begins with the source's name; times in ns; `held`: bytes that it takes on a disk."""

    path: bytes
    kind: str
    mode: int
    mtime: int
    size: int
    held: int
    link: bytes

    def plain(self) -> list[Any]:
        return [text(self.path), self.kind, self.mode, self.mtime, self.size, self.held, text(self.link)]


def entry(plain: list[Any]) -> Entry:
    path, kind, mode, mtime, size, held, link = plain
    return Entry(raw(path), kind, mode, mtime, size, held, raw(link))


class Meter:
    """Told of how many bytes are to come, and of each that came. This one keeps it to itself."""

    def expect(self, total: int) -> None: ...

    def add(self, count: int) -> None: ...


class Wire:
    """Frames to the other end and from it; what is written leaves when the sink's buffer is full, or by flush()."""

    def __init__(self, source: RawIOBase | BinaryIO, sink: BinaryIO) -> None:
        """`source`: without a buffer of Python's, which reads on where there is something already."""
        self.source, self.sink = source, sink
        self._raw: Any = getattr(sink, "raw", None)  # what is under a buffer of Python's
        self._view = memoryview(bytearray(_AHEAD))  # what was read and not yet taken is from start to end
        self._start = self._end = 0

    def send(self, kind: bytes, payload: bytes | memoryview = b"", head: bytes = b"") -> None:
        head = _HEAD.pack(kind, len(head) + len(payload)) + head
        try:
            if self._raw is None or len(payload) < _DIRECTLY:
                self.sink.write(head)
                self.sink.write(payload)
            else:
                self.sink.flush()
                _write_both(self._raw.fileno(), head, payload)
        except OSError as error:
            raise Lost("the other end is gone") from error

    def tell(self, kind: bytes, value: Any = None) -> None:
        self.send(kind, json.dumps(value, separators=(",", ":")).encode("ascii"))

    def flush(self) -> None:
        try:
            self.sink.flush()
        except OSError as error:
            raise Lost("the other end is gone") from error

    def next(self) -> tuple[bytes, int]:
        """Kind and length of the next frame, whose bytes are to be read then."""
        head = self.body(_HEAD.size)
        kind, length = _HEAD.unpack(head)
        if length > (BLOCK if kind == DATA else LITTLE + SMALL_HEAD.size if kind == SMALL else _LONGEST):
            raise Lost("what came is no part of a copy")
        return kind, length

    def body(self, length: int) -> bytes:
        if self._end - self._start >= length:
            self._start += length
            return bytes(self._view[self._start - length : self._start])
        return b"".join([bytes(piece) for piece in self.pieces(length)])

    def pieces(self, length: int) -> Iterator[memoryview]:
        """The next bytes as they come; a memoryview is good until the next one."""
        while length:
            if self._start == self._end:
                self._more()
            stop = min(self._end, self._start + length)
            piece = self._view[self._start : stop]
            length -= len(piece)
            self._start = stop
            yield piece

    def _more(self) -> None:
        self._start, self._end = 0, self.source.readinto(self._view) or 0  # type: ignore[union-attr]
        if not self._end:
            raise Lost("the other end is gone")

    def hear(self, *kinds: bytes) -> tuple[bytes, Any]:
        """The next frame, one of these kinds, and its value; Refused when the other end refuses."""
        kind, length = self.next()
        return kind, known(kind, self.body(length), *kinds)

    def all(self, kind: bytes) -> list[Any]:
        """What comes in batches, up to END."""
        found: list[Any] = []
        while True:
            what, value = self.hear(kind, END)
            if what == END:
                return found
            found += value


def _write_both(handle: int, head: bytes, payload: bytes | memoryview) -> None:
    """All of both, in one call where that is taken whole."""
    done = os.writev(handle, [head, payload])
    for part in (head, payload):
        view = memoryview(part)
        while done < len(view):
            done += os.write(handle, view[done:])
        done -= len(view)


def known(kind: bytes, body: bytes, *kinds: bytes) -> Any:
    """The value of a frame that is to be of one of these kinds."""
    value = json.loads(body)
    if kind == REFUSED:
        raise Refused(str(value))
    if kind not in kinds:
        raise Lost("what came is no part of a copy")
    return value


def batches(things: list[Any], size: int = 256) -> list[list[Any]]:
    return [things[start : start + size] for start in range(0, len(things), size)]


def text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def shown(path: bytes) -> str:
    """A path for people: what is no letter of a terminal is escaped, so that no name can play tricks."""
    return "".join(
        char if char.isprintable() else repr(char)[1:-1] for char in path.decode("utf-8", "backslashreplace")
    )


def part_of(path: bytes) -> bytes:
    """Under which name a file is kept until it is whole: the same one each time, so that a broken copy goes on."""
    folder, name = os.path.split(path)
    hidden = b"." + name + PART
    if len(hidden) > _NAME_MAX:
        hidden = b"." + hashlib.sha256(name).hexdigest().encode() + PART
    return os.path.join(folder, hidden)


def is_part(name: bytes) -> bool:
    return name.startswith(b".") and name.endswith(PART)


def me() -> str:
    """The user's name, for sentences."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"


def new_hash() -> Any:
    return hashlib.sha256()


def after_hole(length: int, crc: int) -> int:
    """The sum of what is sent, with a hole behind it: of its length, for nothing else is sent."""
    return zlib.crc32(length.to_bytes(8, "big"), crc)
