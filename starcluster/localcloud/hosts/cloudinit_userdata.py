"""User data taken apart: what cloud-init would find in it, in its order, packed or not."""

import base64
import binascii
import email
import email.message
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import yaml  # type: ignore[import-untyped]

GZIP = b"\x1f\x8b"
MIME_STARTS = (b"content-type:", b"mime-version:", b"from ")
DEEPEST = 8


class Kind(StrEnum):
    """What a part of user data is, by cloud-init's MIME types."""

    CONFIG = "text/cloud-config"
    ARCHIVE = "text/cloud-config-archive"
    SCRIPT = "text/x-shellscript"
    PER_BOOT = "text/x-shellscript-per-boot"
    PER_INSTANCE = "text/x-shellscript-per-instance"
    PER_ONCE = "text/x-shellscript-per-once"
    BOOTHOOK = "text/cloud-boothook"
    INCLUDE = "text/x-include-url"
    TEMPLATE = "text/jinja2"
    HANDLER = "text/part-handler"


# the first line tells the kind; the longer beginnings come first
BEGINNINGS = (
    (b"#cloud-config-archive", Kind.ARCHIVE),
    (b"#cloud-config", Kind.CONFIG),
    (b"#cloud-boothook", Kind.BOOTHOOK),
    (b"#include", Kind.INCLUDE),
    (b"#part-handler", Kind.HANDLER),
    (b"## template: jinja", Kind.TEMPLATE),
    (b"#!", Kind.SCRIPT),
)
REFUSED = {
    Kind.INCLUDE: "#include is refused: a node of the local cloud fetches nothing from the network",
    Kind.TEMPLATE: "jinja templates in user data are not rendered here",
    Kind.HANDLER: "part handlers are not run here",
}
SCRIPTS = (Kind.SCRIPT, Kind.PER_BOOT, Kind.PER_INSTANCE, Kind.PER_ONCE)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part: its kind (None when nothing tells it), its name for a file, its text."""

    kind: Kind | None
    name: str
    data: bytes


@dataclass(kw_only=True)
class UserData:
    """All that the user data asks for, and what in it was not understood."""

    config: dict[str, Any] = field(default_factory=dict)
    scripts: list[Part] = field(default_factory=list)
    boothooks: list[Part] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def parse(data: bytes) -> UserData:
    """Take `data` apart. Never raises for what a user may have written: complaints tell it."""
    result = UserData()
    try:
        for number, part in enumerate(_parts(data, "", 0), start=1):
            _take(part, number, result)
    except (OSError, EOFError, zlib.error) as error:
        result.complaints.append(f"user data cannot be unpacked: {error}")
    return result


def _take(part: Part, number: int, result: UserData) -> None:
    name = part.name or f"part-{number:03d}"
    if part.kind is None:
        result.complaints.append(f"unhandled user data {name}, beginning {part.data[:24]!r}")
    elif part.kind in REFUSED:
        result.complaints.append(REFUSED[part.kind])
    elif part.kind is Kind.CONFIG:
        _merge(part, name, result)
    else:
        named = Part(kind=part.kind, name=name.replace("/", "_"), data=part.data)
        (result.boothooks if part.kind is Kind.BOOTHOOK else result.scripts).append(named)


def _merge(part: Part, name: str, result: UserData) -> None:
    """Later parts replace earlier ones key by key, cloud-init's way unless told otherwise."""
    try:
        config = yaml.safe_load(part.data)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        reason = " ".join(str(error).split())
        result.complaints.append(f"{name} is not valid YAML and is left out: {reason}")
        return
    if isinstance(config, dict):
        result.config.update({str(key): value for key, value in config.items()})
    elif config is not None:
        result.complaints.append(f"{name} is no mapping and is left out")


def _parts(data: bytes, name: str, depth: int) -> Iterator[Part]:
    data = _unpacked(data)
    if not data.strip() or depth > DEEPEST:
        return
    if data.lstrip()[:20].lower().startswith(MIME_STARTS):
        yield from _mime_parts(email.message_from_bytes(data.lstrip()), depth)
        return
    kind = _kind(data)
    if kind is Kind.ARCHIVE:
        yield from _archive_parts(data, depth)
    else:
        yield Part(kind=kind, name=name, data=data)


def _mime_parts(message: email.message.Message, depth: int) -> Iterator[Part]:
    for part in message.walk():
        if part.is_multipart():
            continue
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            yield from _declared(payload, part.get_content_type(), part.get_filename() or "", depth)


def _declared(payload: bytes, content_type: str, name: str, depth: int) -> Iterator[Part]:
    """A part whose type was given; a general one (text/plain, gzip, octets) is looked into."""
    data = _unpacked(payload)
    try:
        kind = Kind(content_type)
    except ValueError:
        yield from _parts(data, name, depth + 1)
        return
    if kind is Kind.ARCHIVE:
        yield from _archive_parts(data, depth)
    elif data.strip():
        yield Part(kind=kind, name=name, data=data)


def _archive_parts(data: bytes, depth: int) -> Iterator[Part]:
    try:
        entries = yaml.safe_load(data)
    except yaml.YAMLError:
        entries = None
    if not isinstance(entries, list):
        yield Part(kind=None, name="cloud-config-archive", data=data)
        return
    for entry in entries:
        if isinstance(entry, str):
            yield from _parts(entry.encode(), "", depth + 1)
        elif isinstance(entry, dict):
            content = str(entry.get("content", "")).encode()
            kind, name = str(entry.get("type", "")), str(entry.get("filename", ""))
            yield from _declared(content, kind, name, depth + 1)


def _kind(data: bytes) -> Kind | None:
    start = data.lstrip()
    return next((kind for beginning, kind in BEGINNINGS if start.startswith(beginning)), None)


def _unpacked(data: bytes) -> bytes:
    if data.startswith(GZIP):
        return gzip.decompress(data)
    return _decoded(data)


def _decoded(data: bytes) -> bytes:
    """User data that was encoded twice arrives here as base64 still; anything else stays as it is."""
    try:
        plain = base64.b64decode(b"".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return data
    if plain.startswith(GZIP):
        return gzip.decompress(plain)
    known = _kind(plain) is not None or plain[:20].lower().startswith(MIME_STARTS)
    return plain if known else data


def preload() -> None:
    """Have every module loaded that parsing will ever load."""
    script = base64.b64encode(gzip.compress(b"#!/bin/sh\n:\n")).decode()
    parse(
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
        "--b\nContent-Type: text/cloud-config\nContent-Transfer-Encoding: quoted-printable\n\na: [1, x]\n"
        f"--b\nContent-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n{script}\n"
        "--b\nContent-Type: text/cloud-config\n\na: [\n--b--\n".encode()
    )
