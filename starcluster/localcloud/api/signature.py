"""AWS Signature Version 4, checked on the side of the server."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote

ALGORITHM = "AWS4-HMAC-SHA256"
STAMP = "%Y%m%dT%H%M%SZ"
CLOCK_SKEW = datetime.timedelta(minutes=15)
_PARTS = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")


class BadSignature(Exception):
    """The request is not signed with the cloud's keys; `code` is AWS's word for what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, kw_only=True)
class SignedRequest:
    """What a signature covers. Header names in lower case; `path` and `query` as they came on the wire."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which service of which region a request is meant for."""

    access_key: str
    day: str
    region: str
    service: str

    @classmethod
    def parse(cls, credential: str) -> Scope:
        parts = credential.split("/")
        if len(parts) < 5 or parts[-1] != "aws4_request":
            raise BadSignature("IncompleteSignature", f"Credential is not valid: {credential}")
        return cls(access_key="/".join(parts[:-4]), day=parts[-4], region=parts[-3], service=parts[-2])

    @property
    def text(self) -> str:
        return f"{self.day}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A signature as the request states it, in a header or, if presigned, in the query."""

    scope: Scope
    signed_headers: tuple[str, ...]
    signature: str
    stamp: str
    lifetime: datetime.timedelta | None


def read_claim(request: SignedRequest) -> Claim:
    """The signature that a request carries; raises BadSignature if it carries none."""
    header = request.headers.get("authorization", "")
    if header.startswith(ALGORITHM):
        parts = dict(_PARTS.findall(header))
        if len(parts) < 3:
            raise BadSignature("IncompleteSignature", "Authorization header lacks a part")
        stamp = request.headers.get("x-amz-date", "")
        return _claim(parts["Credential"], parts["SignedHeaders"], parts["Signature"], stamp, None)
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    if query.get("X-Amz-Algorithm") == ALGORITHM:
        lifetime = datetime.timedelta(seconds=int(query.get("X-Amz-Expires", "0") or 0))
        return _claim(
            query.get("X-Amz-Credential", ""), query.get("X-Amz-SignedHeaders", ""),
            query.get("X-Amz-Signature", ""), query.get("X-Amz-Date", ""), lifetime,
        )  # fmt: skip
    raise BadSignature("MissingAuthenticationToken", "The request must be signed with AWS Signature Version 4")


def _claim(credential: str, signed: str, signature: str, stamp: str, lifetime: datetime.timedelta | None) -> Claim:
    return Claim(
        scope=Scope.parse(credential),
        signed_headers=tuple(signed.split(";")),
        signature=signature,
        stamp=stamp,
        lifetime=lifetime,
    )


def verify(request: SignedRequest, access_key: str, secret_key: str, now: datetime.datetime) -> Scope:
    """The scope of a properly signed request; raises BadSignature otherwise."""
    claim = read_claim(request)
    if not hmac.compare_digest(claim.scope.access_key.encode(), access_key.encode()):
        text = "AWS was not able to validate the provided access credentials"
        raise BadSignature("AuthFailure", text)
    _check_time(claim, now)
    if "host" not in claim.signed_headers:
        raise BadSignature("SignatureDoesNotMatch", "The Host header must be signed")
    if not hmac.compare_digest(_sign(request, claim, secret_key).encode(), claim.signature.encode()):
        text = "The request signature we calculated does not match the signature you provided."
        raise BadSignature("SignatureDoesNotMatch", text)
    return claim.scope


def _check_time(claim: Claim, now: datetime.datetime) -> None:
    try:
        made = datetime.datetime.strptime(claim.stamp, STAMP).replace(tzinfo=datetime.UTC)
    except ValueError:
        raise BadSignature("IncompleteSignature", "X-Amz-Date is missing or malformed") from None
    if claim.lifetime is not None:
        if not made - CLOCK_SKEW <= now <= made + claim.lifetime:
            raise BadSignature("RequestExpired", "Request has expired.")
    elif abs(now - made) > CLOCK_SKEW:
        raise BadSignature("RequestExpired", "Request has expired.")
    if claim.stamp[:8] != claim.scope.day:
        raise BadSignature("SignatureDoesNotMatch", "The day of the credential is not the day of the request")


def _sign(request: SignedRequest, claim: Claim, secret_key: str) -> str:
    digest = hashlib.sha256(_canonical(request, claim).encode()).hexdigest()
    to_sign = "\n".join((ALGORITHM, claim.stamp, claim.scope.text, digest))
    key = f"AWS4{secret_key}".encode()
    for part in (claim.scope.day, claim.scope.region, claim.scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def _canonical(request: SignedRequest, claim: Claim) -> str:
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in claim.signed_headers)
    return "\n".join(
        (
            request.method,
            _canonical_path(request.path, claim.scope.service),
            _canonical_query(request.query),
            headers,
            ";".join(claim.signed_headers),
            _payload_hash(request, claim),
        )
    )


def _canonical_path(path: str, service: str) -> str:
    """S3 signs the path as it is sent; all others encode what is sent once more."""
    if service == "s3":
        return quote(unquote(path), safe="/~") or "/"
    return quote(path, safe="/~%" if path == "/" else "/~") or "/"


def _canonical_query(query: str) -> str:
    pairs = [
        (quote(key, safe="~"), quote(value, safe="~"))
        for key, value in parse_qsl(query, keep_blank_values=True)
        if key != "X-Amz-Signature"
    ]
    return "&".join(f"{key}={value}" for key, value in sorted(pairs))


def _payload_hash(request: SignedRequest, claim: Claim) -> str:
    if claim.lifetime is not None and claim.scope.service == "s3":
        return "UNSIGNED-PAYLOAD"
    if claim.scope.service != "s3":
        return hashlib.sha256(request.body).hexdigest()
    stated = request.headers.get("x-amz-content-sha256", "")
    if not stated:
        raise BadSignature("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    return stated  # S3 compares the body with it while that comes in
