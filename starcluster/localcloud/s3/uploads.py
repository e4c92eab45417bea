"""Uploads in parts: kept as they came, so that finishing one copies nothing."""

from __future__ import annotations

import hashlib
import secrets
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable

from starcluster.localcloud.s3 import answer
from starcluster.localcloud.s3.answer import Answer
from starcluster.localcloud.s3.blobs import Blobs
from starcluster.localcloud.s3.body import whole_body
from starcluster.localcloud.s3.calls import S3Call
from starcluster.localcloud.s3.errors import S3Error, no_upload
from starcluster.localcloud.s3.index import Index, Object, Part, Upload

SMALLEST_PART = 5 << 20
MOST_PARTS = 10_000


class Uploads:
    def __init__(self, index: Index, blobs: Blobs, now: Callable[[], float]) -> None:
        self._index, self._blobs, self._now = index, blobs, now

    def create(self, call: S3Call, headers: dict[str, str]) -> Answer:
        upload_id = secrets.token_urlsafe(24)
        self._index.make_upload(
            Upload(id=upload_id, bucket=call.bucket, key=call.key, made=self._now(), headers=headers)
        )
        told = [("Bucket", call.bucket), ("Key", call.key), ("UploadId", upload_id)]
        return answer.document("InitiateMultipartUploadResult", told)

    def put_part(self, call: S3Call, chunks: Iterable[bytes]) -> Part:
        """Keep one part, which may be sent again."""
        upload, number = self._upload(call), call.query.get("partNumber", "")
        if not number.isdecimal() or not 1 <= int(number) <= MOST_PARTS:
            raise S3Error("InvalidArgument", f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive")
        part = Part(number=int(number), blob=self._blobs.take(chunks), changed=self._now())
        gone = self._index.put_part(upload.id, part)
        if gone is None:
            self._blobs.drop([part.blob.name])
            raise no_upload(upload.id)
        self._blobs.drop(gone)
        return part

    def complete(self, call: S3Call) -> tuple[Object, str]:
        """The object that the named parts are, and the upload that ends with it."""
        upload = self._upload(call)
        known = {part.number: part for part in self._index.parts(upload.id)}
        parts = [self._named(known, number, etag) for number, etag in _wanted(whole_body(call.source, call.headers))]
        if any(part.blob.size < SMALLEST_PART for part in parts[:-1]):
            raise S3Error("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
        digest = hashlib.md5(b"".join(bytes.fromhex(part.blob.md5) for part in parts), usedforsecurity=False)
        made = Object(
            key=call.key,
            size=sum(part.blob.size for part in parts),
            etag=f"{digest.hexdigest()}-{len(parts)}",
            changed=self._now(),
            headers=upload.headers,
            pieces=tuple((part.blob.name, part.blob.size) for part in parts),
        )
        return made, upload.id

    @staticmethod
    def _named(known: dict[int, Part], number: int, etag: str) -> Part:
        part = known.get(number)
        if part is None or part.blob.md5 != etag:
            raise S3Error("InvalidPart", f"Part {number} could not be found, or has another entity tag")
        return part

    def abort(self, call: S3Call) -> Answer:
        self._blobs.drop(self._index.end_upload(self._upload(call).id))
        return Answer(status=204)

    def parts(self, call: S3Call) -> Answer:
        upload = self._upload(call)
        told = [("Bucket", upload.bucket), ("Key", upload.key), ("UploadId", upload.id), ("IsTruncated", "false")]
        rows = [
            (
                "Part",
                [
                    ("PartNumber", part.number),
                    ("LastModified", answer.iso(part.changed)),
                    ("ETag", answer.quoted(part.blob.md5)),
                    ("Size", part.blob.size),
                ],
            )
            for part in self._index.parts(upload.id)
        ]
        return answer.document("ListPartsResult", [*told, *rows])

    def listed(self, call: S3Call) -> Answer:
        prefix = call.query.get("prefix", "")
        rows = [
            ("Upload", [("Key", one.key), ("UploadId", one.id), ("Initiated", answer.iso(one.made))])
            for one in self._index.uploads(call.bucket)
            if one.key.startswith(prefix)
        ]
        told = [("Bucket", call.bucket), ("Prefix", prefix), ("IsTruncated", "false")]
        return answer.document("ListMultipartUploadsResult", [*told, *rows])

    def _upload(self, call: S3Call) -> Upload:
        found = self._index.upload(call.query["uploadId"])
        if found is None or (found.bucket, found.key) != (call.bucket, call.key):
            raise no_upload(call.query["uploadId"])
        return found


def _wanted(body: bytes) -> list[tuple[int, str]]:
    """(number, MD5) of each part that the document names, in its order, which must rise."""
    try:
        parts = [one for one in ET.fromstring(body) if one.tag.endswith("Part")]
        found = [
            (int(one.findtext("{*}PartNumber") or ""), (one.findtext("{*}ETag") or "").strip('"')) for one in parts
        ]
    except (ET.ParseError, ValueError):
        found = []
    if not found:
        raise S3Error("MalformedXML", "The XML you provided was not well-formed or names no part")
    numbers = [number for number, _ in found]
    if numbers != sorted(set(numbers)):
        raise S3Error("InvalidPartOrder", "The list of parts was not in ascending order.")
    return found
