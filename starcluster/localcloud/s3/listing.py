"""ListObjects and ListObjectsV2: pages of keys, with what follows a delimiter rolled up."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from starcluster.localcloud.s3 import answer
from starcluster.localcloud.s3.answer import Answer
from starcluster.localcloud.s3.errors import S3Error
from starcluster.localcloud.s3.index import Index, Object

MOST = 1000


@dataclass(kw_only=True)
class Page:
    """Some objects and rolled-up prefixes; `last` is where the next page goes on, if there is one."""

    objects: list[Object] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: str = ""
    more: bool = False

    @property
    def count(self) -> int:
        return len(self.objects) + len(self.prefixes)


def page_of(index: Index, bucket: str, *, prefix: str, delimiter: str, after: str, limit: int) -> Page:
    """The page that begins after a key, or after all that a prefix ending in the delimiter rolls up."""
    page, beyond = Page(last=after), b""
    if delimiter and after.startswith(prefix) and after.endswith(delimiter) and after != prefix:
        beyond = after.encode() + b"\xff"
    while True:
        # one more than fits tells whether there is more
        batch = index.listed(bucket, prefix=prefix, after=page.last, beyond=beyond, limit=limit - page.count + 1)
        rolled = False
        for one in batch:
            if page.count == limit:
                page.more = True
                return page
            head, found, _ = one.key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if found:
                page.last = prefix + head + delimiter
                page.prefixes.append(page.last)
                beyond, rolled = page.last.encode() + b"\xff", True
                break
            page.objects.append(one)
            page.last = one.key
        if not rolled:
            return page


def list_objects(index: Index, bucket: str, query: Mapping[str, str]) -> Answer:
    """The answer to either version of the call."""
    second = query.get("list-type") == "2"
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    limit = _limit(query)
    start = (_begin(query) if second else query.get("marker", "")) or ""
    page = page_of(index, bucket, prefix=prefix, delimiter=delimiter, after=start, limit=limit) if limit else Page()
    told = _Encoder(url=query.get("encoding-type") == "url")
    content: list[tuple[str, Any]] = [
        ("Name", bucket),
        ("Prefix", told(prefix)),
        ("Delimiter", told(delimiter) if delimiter else None),
        ("MaxKeys", limit),
        ("EncodingType", query.get("encoding-type")),
        ("IsTruncated", answer.boolean(page.more)),
    ]
    content += _paging(query, page, told) if second else _markers(query, page, told)
    content += [("Contents", _contents(one, told)) for one in page.objects]
    content += [("CommonPrefixes", [("Prefix", told(one))]) for one in page.prefixes]
    return answer.document("ListBucketResult", content)


def _paging(query: Mapping[str, str], page: Page, told: _Encoder) -> list[tuple[str, Any]]:
    return [
        ("KeyCount", page.count),
        ("ContinuationToken", query.get("continuation-token")),
        ("NextContinuationToken", base64.b64encode(page.last.encode()).decode() if page.more else None),
        ("StartAfter", told(query["start-after"]) if "start-after" in query else None),
    ]


def _markers(query: Mapping[str, str], page: Page, told: _Encoder) -> list[tuple[str, Any]]:
    return [("Marker", told(query.get("marker", ""))), ("NextMarker", told(page.last) if page.more else None)]


def _begin(query: Mapping[str, str]) -> str:
    token = query.get("continuation-token")
    if token is None:
        return query.get("start-after", "")
    try:
        return base64.b64decode(token, validate=True).decode()
    except ValueError:
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("max-keys", str(MOST))
    if not text.isdecimal():
        raise S3Error("InvalidArgument", f"max-keys is not a number: {text}")
    return min(int(text), MOST)


class _Encoder:
    """How keys are told: as they are, or so that any key can stand in XML."""

    def __init__(self, *, url: bool) -> None:
        self._url = url

    def __call__(self, text: str) -> str:
        return quote(text, safe="/") if self._url else text


def _contents(one: Object, told: _Encoder) -> list[tuple[str, Any]]:
    return [
        ("Key", told(one.key)),
        ("LastModified", answer.iso(one.changed)),
        ("ETag", answer.quoted(one.etag)),
        ("Size", one.size),
        ("StorageClass", "STANDARD"),
    ]
