"""S3's refusals: the codes and their HTTP status are S3's."""

from __future__ import annotations

HTTP_STATUS = {
    "AccessDenied": 403,
    "BadDigest": 400,
    "BucketAlreadyExists": 409,
    "BucketAlreadyOwnedByYou": 409,
    "BucketNotEmpty": 409,
    "EntityTooSmall": 400,
    "ExpiredToken": 400,
    "IncompleteBody": 400,
    "InternalError": 500,
    "InvalidAccessKeyId": 403,
    "InvalidArgument": 400,
    "InvalidBucketName": 400,
    "InvalidPart": 400,
    "InvalidPartOrder": 400,
    "InvalidRange": 416,
    "InvalidToken": 400,
    "KeyTooLongError": 400,
    "MalformedXML": 400,
    "MissingContentLength": 411,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchUpload": 404,
    "NotImplemented": 501,
    "PermanentRedirect": 301,
    "PreconditionFailed": 412,
    "RequestTimeTooSkewed": 403,
    "SignatureDoesNotMatch": 403,
    "SlowDown": 503,
    "XAmzContentSHA256Mismatch": 400,
}


class S3Error(Exception):
    """A call that S3 refuses; `headers` go with the answer."""

    def __init__(self, code: str, message: str, *, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.headers = headers

    @property
    def status(self) -> int:
        return HTTP_STATUS.get(self.code, 400)


def no_bucket(bucket: str) -> S3Error:
    return S3Error("NoSuchBucket", f"The specified bucket does not exist: {bucket}")


def no_key(key: str) -> S3Error:
    return S3Error("NoSuchKey", f"The specified key does not exist: {key}")


def no_upload(upload_id: str) -> S3Error:
    return S3Error("NoSuchUpload", f"The specified upload does not exist: {upload_id}")


def not_there(what: str) -> S3Error:
    return S3Error("NotImplemented", f"The local cloud's S3 lacks it: {what}")
