"""What EC2's error words mean, and what to do about them: the only table of codes in the program.

Codes and their sense are those of the EC2 API's error overview and of the spot request status page. EC2's
model lists no errors, so codes are matched as strings; a code that is not here means "wait, and say so".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from botocore import exceptions as boto

from starcluster import exception
from starcluster.logger import log
from starcluster.model import Verdict


def _words(text: str) -> list[str]:
    return text.split()


_SHORTAGE = _words("""
    InsufficientInstanceCapacity UnfulfillableCapacity InsufficientHostCapacity InsufficientCapacity
    InsufficientReservedInstanceCapacity ReservationCapacityExceeded InsufficientFreeAddressesInSubnet
    InsufficientVolumeCapacity Unsupported InvalidFleetConfiguration SpotMaxPriceTooLow
""")  # a bid that is too low is a shortage too: another type or zone may be cheaper, and prices fall again
_THROTTLED = _words("""
    RequestLimitExceeded Throttling ThrottlingException EC2ThrottledException BandwidthLimitExceeded
    InsufficientAddressCapacity ConcurrentTagAccess SnapshotCreationPerVolumeRateExceeded
    ConcurrentSnapshotLimitExceeded
""")
_OUTAGE = _words("Unavailable ServiceUnavailable InternalError InternalFailure ServerInternal RetryableError")
_QUOTA = _words("""
    MaxSpotInstanceCountExceeded VcpuLimitExceeded InstanceLimitExceeded MaxFleetCountExceeded
    ResourceCountExceeded RequestResourceCountExceeded MaxConfigLimitExceededException
    TargetCapacityLimitExceededException VolumeLimitExceeded MaxIOPSLimitExceeded SnapshotLimitExceeded
    AttachmentLimitExceeded NetworkInterfaceLimitExceeded SecurityGroupLimitExceeded KeyPairLimitExceeded
    TagLimitExceeded RulesPerSecurityGroupLimitExceeded CopyVolumesLimitExceeded
""")
_PERMISSION = _words("""
    UnauthorizedOperation AuthFailure.ServiceLinkedRoleCreationNotPermitted AccessDenied
    AccessDeniedException OperationNotPermitted
""")
_CREDENTIALS = _words("""
    AuthFailure InvalidClientTokenId SignatureDoesNotMatch ExpiredToken ExpiredTokenException RequestExpired
    OptInRequired Blocked PendingVerification UnrecognizedClientException InvalidAccessKeyId
    IncompleteSignature MissingAuthenticationToken InvalidSignatureException
""")
_TOKEN = _words("IdempotentParameterMismatch IdempotentInstanceTerminated")
_CONFLICT = _words("""
    IncorrectInstanceState IncorrectState IncorrectSpotRequestState InvalidState VolumeInUse
    InvalidVolume.ZoneMismatch InvalidVolumeID.ZoneMismatch IncorrectModificationState DependencyViolation
    InvalidGroup.InUse InvalidPlacementGroup.InUse InvalidGroup.Duplicate InvalidKeyPair.Duplicate
    InvalidLaunchTemplateName.AlreadyExistsException InvalidAttachment.NotFound InvalidPermission.Duplicate
    InvalidPermission.NotFound
""")
_USER = _words("""
    UnsupportedOperation InvalidParameter InvalidParameterValue
    InvalidParameterCombination MissingParameter UnknownParameter ValidationError InvalidBlockDeviceMapping
    InvalidUserData.Malformed InvalidInstanceType InvalidInstanceType.NotFound InvalidAvailabilityZone
    InvalidZone.NotFound VPCIdNotSpecified MissingInput InvalidAMIID.Malformed InvalidAMIID.Unavailable
    InvalidAMIID.NotFound InvalidInstanceID.Malformed InvalidSubnetID.NotFound InvalidKeyPair.NotFound
    InvalidPlacementGroup.Unknown InvalidSnapshot.NotFound
""")
# created by us seconds ago and not yet seen everywhere: the same call is right a moment later
_NOT_YET = _words("InvalidGroup.NotFound InvalidSecurityGroupID.NotFound InvalidGroupId.NotFound")

LAUNCH_VERDICTS: Mapping[str, Verdict] = {
    **dict.fromkeys(_SHORTAGE, Verdict.ELSEWHERE),
    **dict.fromkeys(_THROTTLED, Verdict.WAIT),
    **dict.fromkeys([*_OUTAGE, *_TOKEN, *_NOT_YET], Verdict.AGAIN),
    **dict.fromkeys([*_QUOTA, *_PERMISSION, *_CREDENTIALS, *_USER], Verdict.TELL_USER),
    "PendingVerification": Verdict.WAIT,
    "DryRunOperation": Verdict.OK,
}

SPOT_VERDICTS: Mapping[str, Verdict] = {
    **dict.fromkeys(
        ["fulfilled", "request-canceled-and-instance-running"],
        Verdict.OK,
    ),
    **dict.fromkeys(
        _words("""pending-evaluation pending-fulfillment not-scheduled-yet launch-group-constraint
        marked-for-stop marked-for-stop-by-experiment instance-stopped-by-price instance-stopped-no-capacity
        instance-stopped-capacity-oversubscribed"""),
        Verdict.WAIT,
    ),
    **dict.fromkeys(
        _words("""schedule-expired system-error instance-terminated-by-experiment
        instance-terminated-launch-group-constraint instance-terminated-by-schedule
        instance-terminated-by-service instance-stopped-by-experiment"""),
        Verdict.AGAIN,
    ),
    **dict.fromkeys(
        _words("""capacity-not-available capacity-oversubscribed az-group-constraint placement-group-constraint
        marked-for-termination instance-terminated-no-capacity instance-terminated-by-price
        instance-terminated-capacity-oversubscribed"""),
        Verdict.ELSEWHERE,
    ),
    **dict.fromkeys(
        _words("""price-too-low constraint-not-fulfillable bad-parameters limit-exceeded
        canceled-before-fulfillment instance-terminated-by-user spot-instance-terminated-by-user
        instance-stopped-by-user"""),
        Verdict.TELL_USER,
    ),
}

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

_CLASSES: tuple[tuple[list[str], type[exception.AWSError]], ...] = (
    (_SHORTAGE, exception.ShortageError),
    ([*_THROTTLED, *_OUTAGE], exception.TransientError),
    (_QUOTA, exception.QuotaError),
    (_PERMISSION, exception.PermissionDenied),
    (_CREDENTIALS, exception.CredentialsError),
    (_TOKEN, exception.TokenSpent),
    (_CONFLICT, exception.ConflictError),
)

_QUOTA_HINT = "ask for more in the AWS console under Service Quotas > Amazon EC2"
_HINTS: Mapping[str, str] = {
    "MaxSpotInstanceCountExceeded": (
        f"your spot quota (vCPUs) is used up or zero; {_QUOTA_HINT} (Standard spot L-34B43A08, G/VT spot"
        " L-3819A6DF, P spot L-7212CCBC), or take a smaller instance type"
    ),
    "VcpuLimitExceeded": f"your on-demand quota (vCPUs) is used up; {_QUOTA_HINT} (Standard L-1216C47A)",
    "InsufficientInstanceCapacity": "AWS has no such machine free now: try another type or zone, or wait",
    "UnfulfillableCapacity": "AWS has no such machine free now: try another type or zone, or wait",
    "InsufficientFreeAddressesInSubnet": "take another subnet (SUBNET_ID) or another zone",
    "Unsupported": "this type is not offered in that zone: take another zone or type",
    "UnsupportedOperation": "check that the image's architecture fits the instance type",
    "SpotMaxPriceTooLow": "raise the bid, or leave it out: you pay the spot price, never more than on-demand",
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted": (
        "let an administrator run once: aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"
    ),
    "RequestExpired": "set this machine's clock: AWS accepts 15 minutes of difference",
    "ExpiredToken": "the session's credentials are over: get new ones (aws sso login, or your own way)",
    "OptInRequired": "sign up for EC2 in the AWS console",
    "PendingVerification": "AWS still verifies the account: wait for its mail (up to 4 hours)",
    "InvalidAMIID.NotFound": "image ids differ between regions: use a friendly name such as ubuntu-24.04",
    "InvalidKeyPair.NotFound": "starcluster listkeypairs shows the keys of this region; createkey makes one",
    "InvalidVolume.NotFound": "starcluster listvolumes shows the volumes of this region",
    "InvalidInstanceID.NotFound": "starcluster listinstances shows the instances of this region",
    "InvalidUserData.Malformed": "user data may have 16 KB: make USERDATA_SCRIPTS shorter",
    "VPCIdNotSpecified": "this region has no default VPC: set SUBNET_ID in the cluster template",
    "MissingInput": "this region has no default VPC: set SUBNET_ID in the cluster template",
    "TagLimitExceeded": "a resource can carry 50 tags: remove some",
    "RequestLimitExceeded": "AWS slows this account's calls down: wait a minute",
    "VolumeInUse": "detach the volume, or terminate the cluster that holds it",
    "InvalidVolume.ZoneMismatch": "a volume can only be attached in its own zone: set AVAILABILITY_ZONE to it",
    "InvalidGroup.InUse": "an instance still uses the group: wait until it is terminated",
    "DependencyViolation": "something still uses it: wait until the instances are terminated",
}
_CREDENTIALS_HINT = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, an AWS_PROFILE, or [aws info] in the config;"
    " without an account: CLOUD = local"
)
_ACTION = re.compile(r"not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)")


def launch_verdict(code: str) -> Verdict:
    """What to do after a launch failed with this error code."""
    return _verdict(LAUNCH_VERDICTS, code, "launch error")


def spot_verdict(code: str) -> Verdict:
    """What to do about a spot request that shows this status code."""
    return _verdict(SPOT_VERDICTS, code, "spot status")


def _verdict(table: Mapping[str, Verdict], code: str, kind: str) -> Verdict:
    if code not in table:
        log.debug("unknown %s %r: waiting is the safe answer", kind, code)
    return table.get(code, Verdict.WAIT)


def failures() -> tuple[type[Exception], ...]:
    """What a call of botocore may raise: `except failures() as error`. Its parsers have a tree of their own."""
    from botocore.parsers import ResponseParserError

    return boto.ClientError, boto.BotoCoreError, ResponseParserError


def translate(error: Exception, *, what: str) -> exception.AWSError:
    """The same error in our words; `what` says what was asked for, e.g. "launch a t3.micro in us-east-1a"."""
    if isinstance(error, boto.ClientError):
        return _from_answer(error, what)
    if isinstance(error, boto.BotoCoreError):
        return _without_answer(error, what)
    log.debug("%s: %s", what, error)
    return exception.TransientError(
        f"can not {what}: the answer was cut short or garbled", code=type(error).__name__, hint="try again in a minute"
    )


def _from_answer(error: boto.ClientError, what: str) -> exception.AWSError:
    answer: dict[str, Any] = dict(error.response)
    code = str(answer.get("Error", {}).get("Code", ""))
    message = str(answer.get("Error", {}).get("Message", "")).strip()
    meta = answer.get("ResponseMetadata", {})
    log.debug("%s: %s %s (request id %s)", what, code, message, meta.get("RequestId", "unknown"))
    kind = error_class(code, int(meta.get("HTTPStatusCode") or 0))
    hint = _hint(code, message, error.operation_name, kind)
    return kind(f"can not {what}: {message or 'no reason given'} ({code})", code=code, hint=hint)


def error_class(code: str, status: int = 400) -> type[exception.AWSError]:
    """The exception that says what a caller does next about this code."""
    for codes, kind in _CLASSES:
        if code in codes:
            return kind
    stem, _, end = code.partition(".")
    if end.startswith(("NotFound", "Malformed")) or end == "Unknown" or code == "ParameterNotFound":
        return _NOT_FOUND.get(stem, exception.NotFoundError)
    return exception.TransientError if status >= 500 else exception.UserMustAct


def _hint(code: str, message: str, operation: str, kind: type[exception.AWSError]) -> str:
    if code in _HINTS:
        return _HINTS[code]
    if kind is exception.PermissionDenied:
        action = _ACTION.search(message)
        name = action.group(1) if action else f"ec2:{operation}"
        return f"let an administrator allow the action {name} for your user or role"
    if kind is exception.QuotaError:
        return _QUOTA_HINT
    return _CREDENTIALS_HINT if kind is exception.CredentialsError else ""


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
