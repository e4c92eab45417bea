"""EC2's errors in our own words: which exception a code becomes, with what happened and what to do next.

The codes are in codes.py; a code that is not there means "wait, and say so".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from botocore import exceptions as boto

from starcluster import exception
from starcluster.aws import codes, quotas
from starcluster.logger import log
from starcluster.model import Verdict

_NOT_FOUND: Mapping[str, type[exception.NotFoundError]] = {
    "InvalidInstanceID": exception.InstanceDoesNotExist,
    "InvalidVolume": exception.VolumeDoesNotExist,
    "InvalidGroup": exception.SecurityGroupDoesNotExist,
    "InvalidGroupId": exception.SecurityGroupDoesNotExist,
    "InvalidSecurityGroupID": exception.SecurityGroupDoesNotExist,
    "InvalidKeyPair": exception.KeyPairDoesNotExist,
    "InvalidAMIID": exception.ImageDoesNotExist,
    "ParameterNotFound": exception.ImageDoesNotExist,
    "InvalidSubnetID": exception.SubnetDoesNotExist,
    "InvalidZone": exception.ZoneDoesNotExist,
}

_S3_ACTIONS = {"ListBuckets": "ListAllMyBuckets", "ListObjectsV2": "ListBucket"}  # IAM has other names for some calls
_CREDENTIALS_HINT = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, an AWS_PROFILE, or [aws info] in the config;"
    " without an account: CLOUD = local"
)
_NEAR = 0.8
_PRICE = "for parameter price is invalid"
_ACTION = re.compile(r"not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)")
_ENCODED = re.compile(r"Encoded authorization failure message: (\S+)")
_DECODE = "the encoded part of AWS's answer tells more to who may: aws sts decode-authorization-message"


def launch_verdict(code: str) -> Verdict:
    """What to do after a launch failed with this error code."""
    group = codes.GROUP_OF.get(code)
    if group is None:
        log.debug("unknown launch error %r: waiting is the safe answer", code)
    return group.verdict if group else Verdict.WAIT


def spot_verdict(code: str) -> Verdict:
    """What to do about a spot request that shows this status code."""
    if code not in codes.SPOT_VERDICTS:
        log.debug("unknown spot status %r: waiting is the safe answer", code)
    return codes.SPOT_VERDICTS.get(code, Verdict.WAIT)


def spot_hint(code: str) -> str:
    """What the user can do about a spot request that stands at this status."""
    return codes.SPOT_HINTS.get(code, "")


def is_throttle(code: str) -> bool:
    """EC2 says that it is asked too much."""
    return code in codes.TOO_FAST.codes


def counts_instances(code: str) -> bool:
    """A quota in which machines that have just ended count for some minutes more."""
    return code in codes.INSTANCE_QUOTA.codes


def failures() -> tuple[type[Exception], ...]:
    """What a call of botocore may raise: `except failures() as error`. Its parsers have a tree of their own."""
    from botocore.parsers import ResponseParserError

    return boto.ClientError, boto.BotoCoreError, ResponseParserError


def translate(
    error: Exception,
    *,
    what: str,
    region: str = "",
    params: Mapping[str, Any] | None = None,
    denied_action: str = "",
) -> exception.AWSError:
    """The same error in our words.

    `what` says what was asked for, e.g. "launch a t3.micro in us-east-1a"; `region` and `params` are those of the
    call, for the hint; `denied_action`: what AWS's encoded message names, where it could be read.
    """
    if isinstance(error, boto.ClientError):
        return _from_answer(error, what, Call(error.operation_name, region, params or {}, denied_action))
    if isinstance(error, boto.BotoCoreError):
        return _without_answer(error, what)
    log.debug("%s: %s", what, error)
    return exception.TransientError(
        f"can not {what}: the answer was cut short or garbled", code=type(error).__name__, hint="try again in a minute"
    )


class Call(NamedTuple):
    """The call that was refused."""

    operation: str
    region: str
    params: Mapping[str, Any]
    denied_action: str


def encoded_denial(error: Exception) -> str:
    """The part of a refusal that sts:DecodeAuthorizationMessage can read; "" when it says plainly what was denied."""
    if not isinstance(error, boto.ClientError):
        return ""
    message = str(error.response.get("Error", {}).get("Message", ""))
    found = _ENCODED.search(message)
    return found.group(1) if found and not _ACTION.search(message) else ""


def _from_answer(error: boto.ClientError, what: str, call: Call) -> exception.AWSError:
    answer: dict[str, Any] = dict(error.response)
    code = str(answer.get("Error", {}).get("Code", ""))
    message = str(answer.get("Error", {}).get("Message", "")).strip()
    meta = answer.get("ResponseMetadata", {})
    log.debug("%s: %s %s (request id %s)", what, code, message, meta.get("RequestId", "unknown"))
    kind = error_class(code, int(meta.get("HTTPStatusCode") or 0))
    told = _ENCODED.sub("", message).strip() or "no reason given"
    return kind(f"can not {what}: {told} ({code})", code=code, hint=_hint(code, message, kind, call))


def error_class(code: str, status: int = 400) -> type[exception.AWSError]:
    """The exception that says what a caller does next about this code."""
    group = codes.GROUP_OF.get(code)
    if group is not None and group.kind is not None:
        return group.kind
    stem, _, end = code.partition(".")
    if end.startswith(("NotFound", "Malformed", "Unavailable")) or end == "Unknown" or code == "ParameterNotFound":
        return _NOT_FOUND.get(stem, exception.NotFoundError)
    return exception.TransientError if status >= 500 else exception.UnknownError


def _hint(code: str, message: str, kind: type[exception.AWSError], call: Call) -> str:
    if code.startswith("InvalidInstanceType") and (told := _about_type(call.params)):
        return told
    if _PRICE in message:
        code = "SpotMaxPriceTooLow"
    if code in codes.HINTS:
        return codes.HINTS[code]
    if kind is exception.PermissionDenied:
        return _permission_hint(message, call)
    if kind is exception.QuotaError:
        return quotas.hint(code, region=call.region, params=call.params)
    return _CREDENTIALS_HINT if kind is exception.CredentialsError else ""


def _about_type(params: Mapping[str, Any]) -> str:
    """What a mistyped instance type may have been, or what has come after one that was."""
    import difflib

    from starcluster.aws import typenames

    named = next(filter(None, [*params.get("InstanceTypes", ()), params.get("InstanceType", "")]), "")
    known = typenames.instance_types()
    if named in known:
        after = typenames.successor(named)
        told = f"; what AWS has in its place now are {after} types" if after else ""
        return f"there is or was such a type, but EC2 has it not in this region, or not any more{told}"
    near = difflib.get_close_matches(named, known, 3, _NEAR)
    return f"did you mean: {', '.join(near)}?" if near else ""


def _permission_hint(message: str, call: Call) -> str:
    found = _ACTION.search(message)
    plain = found.group(1) if found else call.denied_action
    name = plain or _action_of(call.operation)
    hint = f"let an administrator allow your user or role the action {name}"
    return hint if plain or not _ENCODED.search(message) else f"{_DECODE}\n{hint}"


def _action_of(operation: str) -> str:
    """IAM's name for a call of ours, of whatever service it is."""
    from starcluster.permissions import NEEDS

    word = _S3_ACTIONS.get(operation, operation)
    return next((need.action for need in NEEDS if need.action.partition(":")[2] == word), f"ec2:{word}")


def _without_answer(error: boto.BotoCoreError, what: str) -> exception.AWSError:
    """No answer came: no credentials, no connection, or a call that botocore itself refused."""
    log.debug("%s: %s: %s", what, type(error).__name__, error)
    text = f"can not {what}: {error}"
    credentials = (
        boto.NoCredentialsError,
        boto.PartialCredentialsError,
        boto.CredentialRetrievalError,
        boto.ProfileNotFound,
        boto.TokenRetrievalError,
        boto.SSOError,
    )
    if isinstance(error, credentials):
        return exception.CredentialsError(text, code=type(error).__name__, hint=_CREDENTIALS_HINT)
    if isinstance(error, (boto.HTTPClientError, boto.ConnectionError)):
        return exception.TransientError(text, code=type(error).__name__, hint=connection_hint(str(error)))
    return exception.UserMustAct(text, code=type(error).__name__)


def connection_hint(text: str) -> str:
    """What to do when nobody answers: the local cloud's address is a loopback one."""
    if "127.0.0.1" in text or "localhost" in text:
        return "is the local cloud up? `starcluster local status` tells, `starcluster local up` starts it"
    return "check this machine's network, AWS_REGION_NAME and AWS_REGION_HOST"
