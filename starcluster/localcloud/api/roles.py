"""Who calls: the cloud's owner, or a role of an instance with keys for a while.

As on EC2 an instance that was launched with an instance profile finds keys at its metadata service. They are reckoned
from the cloud's own secret, so that nothing of them has to be kept: the session token says whose they are.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from starcluster.localcloud.api.cloud import ACCOUNT, Keys
from starcluster.localcloud.api.policies import allows
from starcluster.localcloud.api.signature import BadSignature

LIFETIME = 6 * 3600.0  # wall seconds, as on EC2
RENEWED = 3600.0
PREFIX = "ASIA"
STAMP = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, kw_only=True)
class RoleKeys:
    """Keys of a role for a while; `expires` in seconds since 1970."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)
    expires: float


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who has signed a call; `role` "" is the owner, who may do everything."""

    secret_key: str = field(repr=False)
    access_key: str
    role: str = ""


def mint(keys: Keys, role: str, instance_id: str, now: float) -> RoleKeys:
    """Keys for the role on that instance."""
    expires = float(int(now + LIFETIME))
    content = json.dumps({"role": role, "instance": instance_id, "expires": expires}, sort_keys=True).encode()
    text = base64.urlsafe_b64encode(content).decode()
    token = f"{text}.{_mac(keys, 'token', text).hex()}"
    return RoleKeys(
        access_key=_access_key(keys, token), secret_key=_secret_key(keys, token), token=token, expires=expires
    )


def _mac(keys: Keys, purpose: str, text: str) -> bytes:
    return hmac.digest(keys.secret_key.encode(), f"{purpose}:{text}".encode(), hashlib.sha256)


def _access_key(keys: Keys, token: str) -> str:
    return PREFIX + base64.b32encode(_mac(keys, "access", token))[:16].decode()


def _secret_key(keys: Keys, token: str) -> str:
    return base64.b64encode(_mac(keys, "secret", token)).decode()[:40]


def caller_of(keys: Keys, access_key: str, token: str, now: float) -> Caller:
    """Whose keys these are; BadSignature when they are nobody's, or have run out."""
    if not token:
        return Caller(access_key=keys.access_key, secret_key=keys.secret_key)
    text, _, mac = token.partition(".")
    if not hmac.compare_digest(_mac(keys, "token", text).hex(), mac) or access_key != _access_key(keys, token):
        raise BadSignature("InvalidToken", "The provided token is malformed or otherwise invalid.")
    try:
        content = json.loads(base64.urlsafe_b64decode(text))
    except (ValueError, binascii.Error):
        raise BadSignature("InvalidToken", "The provided token is malformed or otherwise invalid.") from None
    if content["expires"] < now:
        raise BadSignature("ExpiredToken", "The provided token has expired.")
    return Caller(access_key=access_key, secret_key=_secret_key(keys, token), role=content["role"])


class Roles:
    """What roles may do, by moto's IAM tables."""

    def __init__(self, backend: Callable[[], Any]) -> None:
        self._backend = backend

    def may(self, role: str, action: str, resource: str, context: Mapping[str, str]) -> bool:
        if not role or action == "sts:GetCallerIdentity":
            return True
        return allows(self._documents(role), action, resource, context)

    def _documents(self, role: str) -> list[dict[str, Any]]:
        backend = self._backend()
        if role not in {each.name for each in backend.roles.values()}:
            return []
        found = [backend.get_role_policy(role, name)[1] for name in backend.list_role_policies(role)]
        for policy in backend.list_attached_role_policies(role)[0]:
            found.append(next(one.document for one in policy.versions if one.is_default))
        return [json.loads(unquote(text)) if isinstance(text, str) else text for text in found]

    def of_profile(self, arn: str) -> str:
        """The name of the role in an instance profile; "" when it has none."""
        name = arn.rpartition("/")[2]
        for profile in self._backend().instance_profiles.values():
            if profile.name == name and profile.roles:
                return str(profile.roles[0].name)
        return ""


def metadata(keys: Keys, role: str, instance_id: str, arn: str, now: float) -> dict[str, Any]:
    """What the metadata service of an instance with a profile tells under `iam/`."""
    made = mint(keys, role, instance_id, now)
    at = _stamp(now)
    secret = {
        "Code": "Success", "LastUpdated": at, "Type": "AWS-HMAC", "AccessKeyId": made.access_key,
        "SecretAccessKey": made.secret_key, "Token": made.token, "Expiration": _stamp(made.expires),
    }  # fmt: skip
    info = {"Code": "Success", "LastUpdated": at, "InstanceProfileArn": arn, "InstanceProfileId": f"AIPA{ACCOUNT}"}
    return {"info": json.dumps(info, indent=2), "security-credentials": {role: json.dumps(secret, indent=2)}}


def _stamp(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime(STAMP)
