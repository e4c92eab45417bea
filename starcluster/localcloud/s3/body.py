"""The body of a request as it comes in: read piece by piece, with what was promised of it compared at its end."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from starcluster.localcloud.s3.errors import S3Error, not_there

CHUNK = 1 << 20
SIZE_LINE = 200
_HEX = re.compile("[0-9a-f]{64}")
UNSIGNED = "UNSIGNED-PAYLOAD"
UNSIGNED_CHUNKS = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


class Source(Protocol):
    """What a request is read from."""

    def read(self, size: int, /) -> bytes: ...
    def readline(self, size: int, /) -> bytes: ...


class _Sum(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class Crc32:
    """zlib's CRC32 with the manners of hashlib."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


def _sums(headers: Mapping[str, str]) -> list[tuple[str, bytes, _Sum]]:
    """What the headers promise: the error's code, the digest, and what computes it."""
    found: list[tuple[str, bytes, _Sum]] = []
    stated = headers.get("x-amz-content-sha256", "")
    if _HEX.fullmatch(stated):
        found.append(("XAmzContentSHA256Mismatch", bytes.fromhex(stated), hashlib.sha256()))
    ways: dict[str, Any] = {
        "content-md5": lambda: hashlib.md5(usedforsecurity=False),
        "x-amz-checksum-sha256": hashlib.sha256,
        "x-amz-checksum-sha1": lambda: hashlib.sha1(usedforsecurity=False),
        "x-amz-checksum-crc32": Crc32,
    }
    found += [
        ("BadDigest", base64.b64decode(headers[name]), make()) for name, make in ways.items() if headers.get(name)
    ]
    return found


def read_body(source: Source, headers: Mapping[str, str]) -> Iterator[bytes]:
    """The body in chunks; raises S3Error at its end when it is short or not the one that was promised."""
    sums = _sums(headers)
    for chunk in _plain(source, headers):
        for _, _, computed in sums:
            computed.update(chunk)
        yield chunk
    for code, promised, computed in sums:
        if computed.digest() != promised:
            raise S3Error(code, "The body is not the one that was promised")


def whole_body(source: Source, headers: Mapping[str, str], *, limit: int = 8 << 20) -> bytes:
    """A small body; S3's XML documents are."""
    found = b""
    for chunk in read_body(source, headers):
        found += chunk
        if len(found) > limit:
            raise S3Error("MalformedXML", f"The document is longer than {limit} bytes")
    return found


def _plain(source: Source, headers: Mapping[str, str]) -> Iterable[bytes]:
    stated = headers.get("x-amz-content-sha256", "")
    if stated == UNSIGNED_CHUNKS:
        return _chunks(source, headers)
    if stated.startswith("STREAMING-"):
        raise not_there(f"bodies of the kind {stated}")
    length = headers.get("content-length", "")
    if not length.isdecimal():
        raise S3Error("MissingContentLength", "You must provide the Content-Length HTTP header.")
    return _counted(source, int(length))


def _counted(source: Source, left: int) -> Iterator[bytes]:
    while left:
        chunk = source.read(min(CHUNK, left))
        if not chunk:
            raise S3Error("IncompleteBody", "The request body ended before its Content-Length")
        left -= len(chunk)
        yield chunk


def _chunks(source: Source, headers: Mapping[str, str]) -> Iterator[bytes]:
    """aws-chunked without signatures, and its trailer's checksum if we can compute it."""
    crc = Crc32()
    while size := _chunk_size(source):
        for chunk in _counted(source, size):
            crc.update(chunk)
            yield chunk
        source.readline(SIZE_LINE)
    while line := source.readline(SIZE_LINE).strip():
        name, _, value = line.decode("latin-1").partition(":")
        if name.strip().lower() == "x-amz-checksum-crc32" and base64.b64decode(value.strip()) != crc.digest():
            raise S3Error("BadDigest", "The trailer's checksum is not that of the body")


def _chunk_size(source: Source) -> int:
    line = source.readline(SIZE_LINE)
    try:
        return int(line.split(b";")[0], 16)
    except ValueError:
        raise S3Error("IncompleteBody", "The request body ended in the middle of its chunks") from None
