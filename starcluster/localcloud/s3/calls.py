"""From an HTTP request to one of S3's actions, and what a caller must be allowed for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from starcluster.localcloud.s3.body import Source

_BUCKET_QUESTIONS = {"location": "GetBucketLocation", "uploads": "ListMultipartUploads"}
# Subresources that the local cloud has not; without this list they would be taken for the bucket or object itself.
_NOT_HERE = (
    *("accelerate", "acl", "analytics", "cors", "encryption", "intelligent-tiering", "inventory", "legal-hold"),
    *("lifecycle", "logging", "metrics", "notification", "object-lock", "ownershipControls", "policy", "policyStatus"),
    *("publicAccessBlock", "replication", "requestPayment", "restore", "retention", "select", "tagging", "torrent"),
    *("versionId", "versioning", "versions", "website", "attributes", "append"),
)


@dataclass(frozen=True, kw_only=True)
class S3Call:
    """One call; `key` is "" for one about a bucket. Header names in lower case."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    source: Source
    region: str

    @classmethod
    def read(
        cls, *, method: str, path: str, query: str, headers: Mapping[str, str], source: Source, region: str
    ) -> S3Call:
        bucket, _, key = path.lstrip("/").partition("/")
        return cls(
            method=method,
            bucket=unquote(bucket),
            key=unquote(key),
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers=headers,
            source=source,
            region=region,
        )

    @property
    def action(self) -> str:
        """S3's name for it; "" for what is none."""
        missing = next((name for name in _NOT_HERE if name in self.query), None)
        if missing is not None:
            return f"{self.method} {missing}"
        if not self.bucket:
            return "ListBuckets" if self.method == "GET" else ""
        return self._of_object() if self.key else self._of_bucket()

    def _of_bucket(self) -> str:
        if self.method == "GET":
            asked = next((name for word, name in _BUCKET_QUESTIONS.items() if word in self.query), None)
            return asked or ("ListObjectsV2" if self.query.get("list-type") == "2" else "ListObjects")
        if self.method == "POST":
            return "DeleteObjects" if "delete" in self.query else ""
        return {"PUT": "CreateBucket", "HEAD": "HeadBucket", "DELETE": "DeleteBucket"}.get(self.method, "")

    def _of_object(self) -> str:
        copied, part = "x-amz-copy-source" in self.headers, "uploadId" in self.query
        if self.method == "PUT" and part:
            return "UploadPartCopy" if copied else "UploadPart"
        if self.method == "PUT":
            return "CopyObject" if copied else "PutObject"
        if self.method == "POST":
            return "CreateMultipartUpload" if "uploads" in self.query else ("CompleteMultipartUpload" if part else "")
        plain = {"GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}
        in_parts = {"GET": "ListParts", "DELETE": "AbortMultipartUpload"}
        return (in_parts if part else plain).get(self.method, "")

    @property
    def needs(self) -> tuple[str, str]:
        """The IAM action and resource that must be allowed. DeleteObjects asks for each key by itself."""
        bucket = f"arn:aws:s3:::{self.bucket}"
        if self.action == "ListBuckets":
            return "s3:ListAllMyBuckets", "*"
        if self.action in ("HeadBucket", "ListObjects", "ListObjectsV2"):
            return "s3:ListBucket", bucket
        if self.action == "ListMultipartUploads":
            return "s3:ListBucketMultipartUploads", bucket
        if not self.key:
            return f"s3:{self.action}", bucket
        names = {"HeadObject": "GetObject", "ListParts": "ListMultipartUploadParts"}
        writing = ("CopyObject", "CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload")
        name = "PutObject" if self.action in writing else names.get(self.action, self.action)
        return f"s3:{name}", f"{bucket}/{self.key}"
