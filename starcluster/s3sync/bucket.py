"""The door to S3: one bucket, and what lies below a prefix of it. Raises Trouble and its kinds only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import botocore.exceptions
import botocore.session
import urllib3.exceptions
from botocore.config import Config

from starcluster.s3sync.settings import Settings
from starcluster.s3sync.trouble import Exists, Gone, Trouble

CONNECT_LIMIT = 10.0
READ_LIMIT = 30.0
_BROKEN = (
    botocore.exceptions.BotoCoreError,
    botocore.exceptions.HTTPClientError,
    urllib3.exceptions.HTTPError,
    OSError,
)
_DENIED = ("AccessDenied", "403", "AllAccessDisabled", "AccountProblem")
_KEYS = ("InvalidAccessKeyId", "InvalidToken", "ExpiredToken", "SignatureDoesNotMatch", "InvalidClientTokenId")
T = TypeVar("T")


class Bucket:
    """Objects are named below `prefix`; what is returned is, too."""

    def __init__(self, settings: Settings, client: Any = None) -> None:
        self.name, self.tries = settings.bucket, max(1, settings.tries)
        self._prefix = settings.prefix.strip("/") + "/" if settings.prefix.strip("/") else ""
        self._region = settings.region
        self._client = client or make_client(settings)

    def __str__(self) -> str:
        return f"s3://{self.name}/{self._prefix}".rstrip("/")

    def check(self) -> None:
        """Whether it is there and may be read."""
        next(self.listed(""), None)

    def put(self, name: str, content: bytes, *, only_new: bool = False) -> None:
        """`only_new`: raise Exists when there is such an object."""
        more = {"IfNoneMatch": "*"} if only_new else {}
        self._ask("put_object", f"write {name}", Key=self._prefix + name, Body=content, **more)

    def get(self, name: str, start: int = 0, length: int = -1) -> bytes:
        """An object or a part of it, whole: an answer that breaks off is asked for again."""
        more = {"Range": f"bytes={start}-{start + length - 1}"} if length >= 0 else {}
        what = f"read {name}"

        def read() -> bytes:
            answer = self._client.get_object(Bucket=self.name, Key=self._prefix + name, **more)
            content: bytes = answer["Body"].read()
            if length >= 0 and len(content) != length:
                raise OSError(f"{len(content)} bytes came instead of {length}")
            return content

        for _ in range(self.tries - 1):
            try:
                return read()
            except _BROKEN:
                continue
            except botocore.exceptions.ClientError as error:
                raise self._told(error, what) from error
        return self._safely(read, what)

    def listed(self, start: str) -> Iterator[tuple[str, float]]:
        """Names that begin so, and when each was written, in the order of the names."""
        token: dict[str, str] = {}
        while True:
            page = self._ask("list_objects_v2", "list what is there", Prefix=self._prefix + start, **token)
            for one in page.get("Contents", []):
                yield one["Key"][len(self._prefix) :], one["LastModified"].timestamp()
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def delete(self, names: list[str]) -> None:
        for first in range(0, len(names), 1000):
            some = [{"Key": self._prefix + name} for name in names[first : first + 1000]]
            answer = self._ask("delete_objects", "delete old snapshots", Delete={"Objects": some, "Quiet": True})
            for error in answer.get("Errors", [])[:1]:
                raise Trouble(f"{self} does not let old snapshots be deleted: {error.get('Code')}", kind="denied")

    # --- uploads in parts

    def begin(self, name: str) -> str:
        answer = self._ask("create_multipart_upload", f"write {name}", Key=self._prefix + name)
        return str(answer["UploadId"])

    def put_part(self, name: str, upload: str, number: int, content: bytes) -> str:
        answer = self._ask(
            "upload_part", f"write {name}", Key=self._prefix + name, UploadId=upload, PartNumber=number, Body=content
        )
        return str(answer["ETag"])

    def finish(self, name: str, upload: str, parts: Mapping[int, str]) -> None:
        listed = [{"PartNumber": number, "ETag": parts[number]} for number in sorted(parts)]
        self._ask(
            "complete_multipart_upload", f"write {name}", Key=self._prefix + name, UploadId=upload,
            MultipartUpload={"Parts": listed},
        )  # fmt: skip

    def abort(self, name: str, upload: str) -> None:
        self._ask("abort_multipart_upload", f"give {name} up", Key=self._prefix + name, UploadId=upload)

    def uploads(self) -> list[tuple[str, str, float]]:
        """Unfinished ones: name, upload, when each was begun."""
        answer = self._ask("list_multipart_uploads", "list unfinished uploads", Prefix=self._prefix)
        return [
            (one["Key"][len(self._prefix) :], one["UploadId"], one["Initiated"].timestamp())
            for one in answer.get("Uploads", [])
        ]

    # --- asking

    def _ask(self, action: str, what: str, **words: Any) -> Any:
        return self._safely(lambda: getattr(self._client, action)(Bucket=self.name, **words), what)

    def _safely(self, call: Callable[[], T], what: str) -> T:
        try:
            return call()
        except botocore.exceptions.ClientError as error:
            raise self._told(error, what) from error
        except botocore.exceptions.NoCredentialsError as error:
            raise Trouble(
                f"this node has no keys for {self}",
                "launch it with IAM_PROFILE, whose role may use the bucket (docs/s3.md)",
                kind="keys",
            ) from error
        except _BROKEN as error:
            raise Trouble(f"{self} could not be reached to {what}: {error}", kind="unreachable") from error

    def _told(self, error: botocore.exceptions.ClientError, what: str) -> Trouble:
        code = str(error.response.get("Error", {}).get("Code", ""))
        message = str(error.response.get("Error", {}).get("Message", ""))
        if code == "NoSuchBucket":
            hint = f"make it (aws s3 mb s3://{self.name}), or mend BUCKET in the plugin's settings"
            return Trouble(f"there is no bucket {self.name}", hint, kind="missing")
        if code in ("NoSuchKey", "NoSuchUpload", "404"):
            return Gone(f"{what}: it is not in {self} any more", kind="gone")
        if code in ("PreconditionFailed", "ConditionalRequestConflict"):
            return Exists(f"{what}: it is in {self} already", kind="exists")
        if code in _DENIED:
            hint = (
                f"the role of IAM_PROFILE needs that right, unless the bucket has another name (docs/s3.md): {message}"
            )
            return Trouble(f"this node may not {what} in {self}", hint, kind="denied")
        if code in _KEYS:
            return Trouble(
                f"S3 does not take this node's keys: {message}", "see docs/s3.md on IAM_PROFILE", kind="keys"
            )
        if code in ("PermanentRedirect", "AuthorizationHeaderMalformed", "301", "IllegalLocationConstraintException"):
            hint = "set REGION to the bucket's region in the plugin's settings"
            return Trouble(f"the bucket {self.name} is not in {self._region}: {message}", hint, kind="region")
        return Trouble(f"S3 could not {what} in {self}: {code} {message}", kind="failed")


def make_client(settings: Settings) -> Any:
    """botocore's client; making one takes a second, so that it is worth keeping."""
    session = botocore.session.get_session()
    config = Config(
        retries={"mode": "standard", "total_max_attempts": max(1, settings.tries)},
        connect_timeout=CONNECT_LIMIT,
        read_timeout=READ_LIMIT,
        max_pool_connections=settings.threads + 2,
        user_agent_extra="starcluster-s3sync",
        # what is sent is signed with its SHA-256 then, which S3 compares; a CRC beside it would cost time only
        request_checksum_calculation="when_required",
    )
    try:
        return session.create_client("s3", region_name=settings.region or None, config=config)
    except botocore.exceptions.BotoCoreError as error:
        raise Trouble(f"S3 can not be asked: {error}", "set REGION in the plugin's settings", kind="region") from error
