"""S3 of the local cloud: buckets and objects on the disk, one method an action."""

from __future__ import annotations

import logging
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starcluster.localcloud.s3 import answer
from starcluster.localcloud.s3.answer import Answer
from starcluster.localcloud.s3.blobs import Blobs, Pieces
from starcluster.localcloud.s3.body import read_body, whole_body
from starcluster.localcloud.s3.calls import S3Call
from starcluster.localcloud.s3.errors import S3Error, no_bucket, no_key, not_there
from starcluster.localcloud.s3.index import Bucket, Index, Object
from starcluster.localcloud.s3.listing import list_objects
from starcluster.localcloud.s3.uploads import Uploads

log = logging.getLogger(__name__)

May = Callable[[str, str], bool]
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
KEY_BYTES = 1024
BIGGEST = 5 << 30  # of one PUT
DEFAULT_REGION = "us-east-1"
_KEPT = ("cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class S3:
    """`may(action, resource)` says what the caller is allowed."""

    def __init__(self, folder: Path, *, now: Callable[[], float] = time.time) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._now = now
        self._blobs = Blobs(folder / "blobs")
        self._index = Index(folder / "index.sqlite")
        self._blobs.sweep(self._index.blobs())
        self._uploads = Uploads(self._index, self._blobs, now)
        self._actions: dict[str, Callable[[S3Call], Answer]] = {
            "ListBuckets": self._list_buckets,
            "CreateBucket": self._create_bucket,
            "HeadBucket": self._head_bucket,
            "DeleteBucket": self._delete_bucket,
            "GetBucketLocation": self._location,
            "ListObjects": self._list,
            "ListObjectsV2": self._list,
            "ListMultipartUploads": self._uploads.listed,
            "PutObject": self._put,
            "CopyObject": self._copy,
            "GetObject": self._get,
            "HeadObject": self._get,
            "DeleteObject": self._delete,
            "CreateMultipartUpload": lambda call: self._uploads.create(call, _kept(call)),
            "UploadPart": self._put_part,
            "UploadPartCopy": self._copy_part,
            "CompleteMultipartUpload": self._complete,
            "AbortMultipartUpload": self._uploads.abort,
            "ListParts": self._uploads.parts,
        }

    def close(self) -> None:
        self._index.close()

    def answer(self, call: S3Call, may: May) -> Answer:
        """What S3 answers; its refusals too."""
        try:
            return self._answered(call, may)
        except S3Error as error:
            return refused(call, error)

    def _answered(self, call: S3Call, may: May) -> Answer:
        if call.action == "DeleteObjects":
            self._check_bucket(call)
            return self._delete_many(call, may)
        act = self._actions.get(call.action)
        if act is None:
            raise not_there(call.action or f"{call.method} {call.bucket}/{call.key}")
        self._check_allowed(call, may)
        if call.action not in ("ListBuckets", "CreateBucket"):
            self._check_bucket(call)
        return act(call)

    def _check_allowed(self, call: S3Call, may: May) -> None:
        needs = [call.needs]
        if "x-amz-copy-source" in call.headers:
            bucket, key = _copied_from(call)
            needs.append(("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}"))
        for action, resource in needs:
            if not may(action, resource):
                raise S3Error("AccessDenied", f"Access Denied: {action} on {resource} is not allowed")
        absent = call.action in ("GetObject", "HeadObject") and self._index.get(call.bucket, call.key) is None
        if absent and not may("s3:ListBucket", f"arn:aws:s3:::{call.bucket}"):
            raise S3Error("AccessDenied", "Access Denied")  # who may not list is not told what is there

    def _check_bucket(self, call: S3Call) -> Bucket:
        bucket = self._index.bucket(call.bucket)
        if bucket is None:
            raise no_bucket(call.bucket)
        if bucket.region != call.region:
            raise S3Error(
                "PermanentRedirect",
                f"The bucket is in {bucket.region}; the request was signed for {call.region}.",
                headers=(("x-amz-bucket-region", bucket.region),),
            )
        return bucket

    # --- buckets

    def _list_buckets(self, call: S3Call) -> Answer:
        rows = [
            ("Bucket", [("Name", each.name), ("CreationDate", answer.iso(each.made)), ("BucketRegion", each.region)])
            for each in self._index.buckets()
        ]
        return answer.document("ListAllMyBucketsResult", [("Buckets", rows)])

    def _create_bucket(self, call: S3Call) -> Answer:
        if not BUCKET_NAME.fullmatch(call.bucket):
            raise S3Error("InvalidBucketName", f"The specified bucket is not valid: {call.bucket}")
        region = _constraint(whole_body(call.source, call.headers)) or DEFAULT_REGION
        made = self._index.make_bucket(Bucket(name=call.bucket, region=region, made=self._now()))
        if not made and region != DEFAULT_REGION:  # us-east-1 takes it for done
            raise S3Error("BucketAlreadyOwnedByYou", "The bucket that you tried to create already exists")
        return Answer(headers=[("Location", f"/{call.bucket}")])

    def _head_bucket(self, call: S3Call) -> Answer:
        return Answer(headers=[("x-amz-bucket-region", self._check_bucket(call).region)])

    def _delete_bucket(self, call: S3Call) -> Answer:
        if not self._index.drop_bucket(call.bucket):
            raise S3Error("BucketNotEmpty", "The bucket you tried to delete is not empty")
        return Answer(status=204)

    def _location(self, call: S3Call) -> Answer:
        region = self._check_bucket(call).region
        return answer.document("LocationConstraint", "" if region == DEFAULT_REGION else region)

    def _list(self, call: S3Call) -> Answer:
        return list_objects(self._index, call.bucket, call.query)

    # --- objects

    def _put(self, call: S3Call) -> Answer:
        _check_key(call)
        blob = self._blobs.take(read_body(call.source, call.headers))
        made = Object(
            key=call.key, size=blob.size, etag=blob.md5, changed=self._now(), headers=_kept(call),
            pieces=((blob.name, blob.size),),
        )  # fmt: skip
        self._keep(call, made)
        return Answer(headers=[("ETag", answer.quoted(made.etag))])

    def _keep(self, call: S3Call, made: Object, *, upload: str = "") -> None:
        """Put it into the index, in the place of what is there unless the caller wants none to be there."""
        gone = self._index.put(call.bucket, made, only_new=call.headers.get("if-none-match") == "*", upload=upload)
        if gone is None:
            self._blobs.drop([] if upload else [name for name, _ in made.pieces])
            raise S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
        self._blobs.drop(gone)

    def _copy(self, call: S3Call) -> Answer:
        _check_key(call)
        source = self._source(call)
        replaced = call.headers.get("x-amz-metadata-directive", "COPY").upper() == "REPLACE"
        pieces = tuple((self._blobs.same(name), size) for name, size in source.pieces)
        headers = _kept(call) if replaced else source.headers
        made = Object(
            key=call.key, size=source.size, etag=source.etag, changed=self._now(), headers=headers, pieces=pieces
        )
        self._keep(call, made)
        told = [("LastModified", answer.iso(made.changed)), ("ETag", answer.quoted(made.etag))]
        return answer.document("CopyObjectResult", told)

    def _source(self, call: S3Call) -> Object:
        bucket, key = _copied_from(call)
        found = self._index.get(bucket, key)
        if found is None:
            raise no_key(key)
        return found

    def _get(self, call: S3Call) -> Answer:
        found = self._index.get(call.bucket, call.key)
        if found is None:
            raise no_key(call.key)
        wanted, known = call.headers.get("if-match"), answer.quoted(found.etag)
        if wanted not in (None, "*", known, found.etag):
            raise S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
        headers = [*found.headers.items(), ("ETag", known), ("Last-Modified", answer.http_date(found.changed))]
        headers.append(("Accept-Ranges", "bytes"))
        if call.headers.get("if-none-match") in (known, found.etag):
            return Answer(status=304, headers=headers)
        start, length = _range(call.headers.get("range", ""), found.size)
        partial = length != found.size
        if partial:
            headers.append(("Content-Range", f"bytes {start}-{start + length - 1}/{found.size}"))
        body: Iterable[bytes] = self._bytes_of(found, start, length) if call.method == "GET" else ()
        return Answer(status=206 if partial else 200, headers=headers, body=body, length=length)

    def _bytes_of(self, found: Object, start: int, length: int) -> Pieces:
        """The files are opened at once: an object that is replaced meanwhile is read to its end."""
        try:
            return Pieces([(self._blobs.open(name), size) for name, size in found.pieces], start, length)
        except FileNotFoundError:  # it was replaced between the two looks
            raise S3Error("SlowDown", "The object is being replaced; please try again") from None

    def _delete(self, call: S3Call) -> Answer:
        self._blobs.drop(self._index.remove(call.bucket, [call.key]))
        return Answer(status=204)

    def _delete_many(self, call: S3Call, may: May) -> Answer:
        try:
            keys = [
                one.text or "" for one in ET.fromstring(whole_body(call.source, call.headers)).iterfind(".//{*}Key")
            ]
        except ET.ParseError:
            raise S3Error("MalformedXML", "The XML you provided was not well-formed") from None
        allowed = [key for key in keys if may("s3:DeleteObject", f"arn:aws:s3:::{call.bucket}/{key}")]
        self._blobs.drop(self._index.remove(call.bucket, allowed))
        told: list[tuple[str, Any]] = [("Deleted", [("Key", key)]) for key in allowed]
        denied = [("Code", "AccessDenied"), ("Message", "Access Denied")]
        told += [("Error", [("Key", key), *denied]) for key in keys if key not in set(allowed)]
        return answer.document("DeleteResult", told)

    # --- uploads

    def _put_part(self, call: S3Call) -> Answer:
        part = self._uploads.put_part(call, read_body(call.source, call.headers))
        return Answer(headers=[("ETag", answer.quoted(part.blob.md5))])

    def _copy_part(self, call: S3Call) -> Answer:
        source = self._source(call)
        start, length = _range(call.headers.get("x-amz-copy-source-range", ""), source.size)
        with closing(self._bytes_of(source, start, length)) as chunks:
            part = self._uploads.put_part(call, chunks)
        told = [("LastModified", answer.iso(part.changed)), ("ETag", answer.quoted(part.blob.md5))]
        return answer.document("CopyPartResult", told)

    def _complete(self, call: S3Call) -> Answer:
        made, upload = self._uploads.complete(call)
        self._keep(call, made, upload=upload)
        told = [("Bucket", call.bucket), ("Key", call.key), ("ETag", answer.quoted(made.etag))]
        return answer.document("CompleteMultipartUploadResult", told)


def refused(call: S3Call, error: S3Error) -> Answer:
    """S3's form of an error; one that is answered to HEAD has no body."""
    if call.method == "HEAD":
        return Answer(status=error.status, headers=list(error.headers))
    told = [("Code", error.code), ("Message", error.message), ("BucketName", call.bucket or None)]
    return answer.document("Error", told, status=error.status, headers=list(error.headers))


def _kept(call: S3Call) -> dict[str, str]:
    """The headers that are told with the object ever after."""
    kept = {name: value for name, value in call.headers.items() if name.startswith("x-amz-meta-")}
    kept |= {name: call.headers[name] for name in _KEPT if call.headers.get(name)}
    encoding = [word.strip() for word in kept.pop("content-encoding", "").split(",")]
    lasting = ",".join(word for word in encoding if word and word != "aws-chunked")
    kept.setdefault("content-type", "binary/octet-stream")
    return kept | ({"content-encoding": lasting} if lasting else {})


def _check_key(call: S3Call) -> None:
    if len(call.key.encode()) > KEY_BYTES:
        raise S3Error("KeyTooLongError", "Your key is too long")
    length = call.headers.get("x-amz-decoded-content-length") or call.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > BIGGEST:
        raise S3Error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")


def _copied_from(call: S3Call) -> tuple[str, str]:
    bucket, _, key = unquote(call.headers["x-amz-copy-source"].partition("?")[0]).lstrip("/").partition("/")
    return bucket, key


def _constraint(body: bytes) -> str:
    if not body.strip():
        return ""
    try:
        return ET.fromstring(body).findtext("{*}LocationConstraint") or ""
    except ET.ParseError:
        raise S3Error("MalformedXML", "The XML you provided was not well-formed") from None


def _range(text: str, size: int) -> tuple[int, int]:
    """Start and length of a Range header; one that cannot be understood means everything, as in HTTP."""
    found = _RANGE.fullmatch(text.strip())
    if not found or found.groups() == ("", ""):
        return 0, size
    first, last = found.groups()
    start = max(0, size - int(last)) if not first else int(first)
    end = size if not first or not last else min(size, int(last) + 1)
    if start >= size or end <= start:
        raise S3Error("InvalidRange", "The requested range is not satisfiable")
    return start, end - start
