"""What S3 answers: headers, XML, and the bytes of objects while they are read."""

from __future__ import annotations

import datetime
import email.utils
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
Headers = list[tuple[str, str]]


@dataclass(kw_only=True)
class Answer:
    """A complete answer; `length` is that of the body, which may be told without being sent (HEAD)."""

    status: int = 200
    headers: Headers = field(default_factory=list)
    body: Iterable[bytes] = ()
    length: int = 0


def document(name: str, content: Any, *, status: int = 200, headers: Headers | None = None) -> Answer:
    """An XML document; `content` as `_elements` takes it."""
    space = "" if name == "Error" else f' xmlns="{NAMESPACE}"'  # S3's errors have none
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{name}{space}>{"".join(_elements(content))}</{name}>'
    body = text.encode()
    told = [("Content-Type", "application/xml"), *(headers or [])]
    return Answer(status=status, headers=told, body=[body], length=len(body))


def _elements(content: Any) -> Iterator[str]:
    """A text, or (name, content) pairs: each is an element, those whose content is None are left out."""
    if not isinstance(content, list):
        yield escape(str(content))
        return
    for name, inner in content:
        if inner is not None:
            yield f"<{name}>{''.join(_elements(inner))}</{name}>"


def iso(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def http_date(seconds: float) -> str:
    return email.utils.formatdate(seconds, usegmt=True)


def quoted(etag: str) -> str:
    return f'"{etag}"'


def boolean(value: bool) -> str:
    return "true" if value else "false"
