"""EC2's error and status codes and what each means: the only table of codes in the program.

Codes and their sense are those of the EC2 API's error overview and of the spot request status page. EC2's model lists
no errors, so codes are matched as strings. A code that is not here means "wait, and say so".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starcluster import exception
from starcluster.model import Verdict


@dataclass(frozen=True)
class Group:
    """Codes with the same sense: the exception they become, and what to do about a launch that failed with one."""

    kind: type[exception.AWSError] | None
    verdict: Verdict
    codes: frozenset[str]


def _group(kind: type[exception.AWSError] | None, verdict: Verdict, text: str) -> Group:
    return Group(kind, verdict, frozenset(text.split()))


# a bid that is too low is a shortage too: another type or zone may be cheaper, and prices fall again
SHORTAGE = _group(
    exception.ShortageError,
    Verdict.ELSEWHERE,
    """InsufficientInstanceCapacity UnfulfillableCapacity InsufficientHostCapacity InsufficientCapacity
    InsufficientReservedInstanceCapacity ReservationCapacityExceeded InsufficientFreeAddressesInSubnet
    InsufficientVolumeCapacity Unsupported InvalidFleetConfiguration SpotMaxPriceTooLow""",
)
TOO_FAST = _group(
    exception.TransientError,
    Verdict.WAIT,
    "RequestLimitExceeded Throttling ThrottlingException EC2ThrottledException BandwidthLimitExceeded",
)
NOT_NOW = _group(
    exception.TransientError,
    Verdict.WAIT,
    """InsufficientAddressCapacity ConcurrentTagAccess SnapshotCreationPerVolumeRateExceeded
    ConcurrentSnapshotLimitExceeded PendingVerification""",
)
OUTAGE = _group(
    exception.TransientError,
    Verdict.AGAIN,
    "Unavailable ServiceUnavailable InternalError InternalFailure ServerInternal RetryableError",
)
# these count machines that are on their way out, for some minutes
INSTANCE_QUOTA = _group(
    exception.QuotaError,
    Verdict.TELL_USER,
    "MaxSpotInstanceCountExceeded VcpuLimitExceeded InstanceLimitExceeded",
)
OTHER_QUOTA = _group(
    exception.QuotaError,
    Verdict.TELL_USER,
    """MaxFleetCountExceeded ResourceCountExceeded RequestResourceCountExceeded MaxConfigLimitExceededException
    TargetCapacityLimitExceededException VolumeLimitExceeded MaxIOPSLimitExceeded SnapshotLimitExceeded
    AttachmentLimitExceeded NetworkInterfaceLimitExceeded SecurityGroupLimitExceeded KeyPairLimitExceeded
    TagLimitExceeded RulesPerSecurityGroupLimitExceeded CopyVolumesLimitExceeded FilterLimitExceeded""",
)
PERMISSION = _group(
    exception.PermissionDenied,
    Verdict.TELL_USER,
    """UnauthorizedOperation AuthFailure.ServiceLinkedRoleCreationNotPermitted AccessDenied
    AccessDeniedException OperationNotPermitted""",
)
CREDENTIALS = _group(
    exception.CredentialsError,
    Verdict.TELL_USER,
    """AuthFailure InvalidClientTokenId SignatureDoesNotMatch ExpiredToken ExpiredTokenException RequestExpired
    UnrecognizedClientException InvalidAccessKeyId IncompleteSignature MissingAuthenticationToken
    InvalidSignatureException""",
)
TOKEN = _group(exception.TokenSpent, Verdict.AGAIN, "IdempotentParameterMismatch IdempotentInstanceTerminated")
CONFLICT = _group(
    exception.ConflictError,
    Verdict.AGAIN,
    """IncorrectInstanceState IncorrectState IncorrectSpotRequestState InvalidState VolumeInUse
    InvalidVolume.ZoneMismatch InvalidVolumeID.ZoneMismatch IncorrectModificationState
    InvalidGroup.Duplicate InvalidKeyPair.Duplicate InvalidLaunchTemplateName.AlreadyExistsException
    InvalidPlacementGroup.Duplicate
    InvalidAttachment.NotFound InvalidPermission.Duplicate InvalidPermission.NotFound""",
)
STILL_USED = _group(
    exception.ConflictError,
    Verdict.WAIT,
    "DependencyViolation InvalidGroup.InUse InvalidPlacementGroup.InUse InvalidSnapshot.InUse",
)
USER = _group(
    exception.UserMustAct,
    Verdict.TELL_USER,
    """UnsupportedOperation InvalidParameter InvalidParameterValue InvalidParameterCombination MissingParameter
    UnknownParameter ValidationError InvalidBlockDeviceMapping InvalidUserData.Malformed InvalidInstanceType
    InvalidAvailabilityZone VPCIdNotSpecified MissingInput OptInRequired Blocked UnknownVolumeType
    VolumeModificationRateExceeded""",
)
# what does not exist has an exception for each kind of thing: kind None = by the word before the dot (errors.py)
MISSING = _group(
    None,
    Verdict.TELL_USER,
    """InvalidInstanceType.NotFound InvalidZone.NotFound InvalidAMIID.Malformed InvalidAMIID.Unavailable
    InvalidAMIID.NotFound InvalidInstanceID.Malformed InvalidSubnetID.NotFound InvalidKeyPair.NotFound
    InvalidPlacementGroup.Unknown InvalidSnapshot.NotFound""",
)
# created by us seconds ago and not yet seen everywhere: the same call is right a moment later
NOT_YET = _group(
    None,
    Verdict.AGAIN,
    """InvalidGroup.NotFound InvalidSecurityGroupID.NotFound InvalidGroupId.NotFound InvalidInstanceID.NotFound
    InvalidVolume.NotFound InvalidSpotInstanceRequestID.NotFound InvalidLaunchTemplateId.NotFound
    InvalidLaunchTemplateName.NotFoundException""",
)
DRY_RUN = _group(None, Verdict.OK, "DryRunOperation")

GROUPS = (
    SHORTAGE,
    TOO_FAST,
    NOT_NOW,
    OUTAGE,
    INSTANCE_QUOTA,
    OTHER_QUOTA,
    PERMISSION,
    CREDENTIALS,
    TOKEN,
    CONFLICT,
    STILL_USED,
    USER,
    MISSING,
    NOT_YET,
    DRY_RUN,
)
GROUP_OF: Mapping[str, Group] = {code: group for group in GROUPS for code in group.codes}

# of a spot request
_SPOT: Mapping[Verdict, str] = {
    Verdict.OK: "fulfilled request-canceled-and-instance-running",
    Verdict.WAIT: """pending-evaluation pending-fulfillment not-scheduled-yet launch-group-constraint
        marked-for-stop marked-for-stop-by-experiment instance-stopped-by-price instance-stopped-no-capacity
        instance-stopped-capacity-oversubscribed""",
    Verdict.AGAIN: """schedule-expired system-error instance-terminated-by-experiment
        instance-terminated-launch-group-constraint instance-terminated-by-schedule
        instance-terminated-by-service instance-stopped-by-experiment""",
    Verdict.ELSEWHERE: """capacity-not-available capacity-oversubscribed az-group-constraint
        placement-group-constraint marked-for-termination instance-terminated-no-capacity
        instance-terminated-by-price instance-terminated-capacity-oversubscribed""",
    Verdict.TELL_USER: """price-too-low constraint-not-fulfillable bad-parameters limit-exceeded
        canceled-before-fulfillment instance-terminated-by-user spot-instance-terminated-by-user
        instance-stopped-by-user""",
}
SPOT_VERDICTS: Mapping[str, Verdict] = {code: verdict for verdict, text in _SPOT.items() for code in text.split()}

SPOT_HINTS: Mapping[str, str] = {
    "price-too-low": "raise spot_bid, or leave it out: you pay the spot price, never more than on-demand",
    "limit-exceeded": "the quota of EBS is used up: delete volumes, or ask for more under Service Quotas > EBS",
    "bad-parameters": "look at the image (NODE_IMAGE_ID) and the instance type",
    "constraint-not-fulfillable": "look at the zone (AVAILABILITY_ZONE, zones) and the instance type",
}

SUPPORT = "https://console.aws.amazon.com/support/home"
_NO_MACHINE = "AWS has no such machine free now: try another type or zone, or wait"
_NO_VPC = "this region has no default VPC: set SUBNET_ID in the cluster template"
_NO_TYPE = "the EC2 console and `aws ec2 describe-instance-types` show the types of this region"
HINTS: Mapping[str, str] = {
    "InsufficientInstanceCapacity": _NO_MACHINE,
    "UnfulfillableCapacity": _NO_MACHINE,
    "InsufficientFreeAddressesInSubnet": "take another subnet (SUBNET_ID) or another zone",
    "Unsupported": "this type is not offered in that zone: take another zone or type",
    "UnsupportedOperation": "check that the image's architecture fits the instance type",
    "SpotMaxPriceTooLow": "raise the bid, or leave it out: you pay the spot price, never more than on-demand",
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted": (
        "let an administrator run once: aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"
        " (or allow you the action iam:CreateServiceLinkedRole)"
    ),
    "RequestExpired": "set this machine's clock: AWS accepts 15 minutes of difference",
    "ExpiredToken": "the session's credentials are over: get new ones (aws sso login, or your own way)",
    "ExpiredTokenException": "the session's credentials are over: get new ones (aws sso login, or your own way)",
    "OptInRequired": (
        "sign up for EC2, or enable this region for the account: https://console.aws.amazon.com/billing/home#/account"
    ),
    "Blocked": f"AWS has blocked the account: ask AWS why, {SUPPORT}",
    "PendingVerification": (
        f"AWS still verifies the account: wait for its mail (up to 4 hours); if none comes, ask AWS, {SUPPORT}"
    ),
    "InvalidAMIID.NotFound": "image ids differ between regions: use a friendly name such as ubuntu-24.04",
    "InvalidKeyPair.NotFound": "starcluster listkeypairs shows the keys of this region; createkey makes one",
    "InvalidKeyPair.Duplicate": "choose another name; starcluster listkeypairs shows those taken, removekey frees one",
    "InvalidVolume.NotFound": "starcluster listvolumes shows the volumes of this region",
    "InvalidInstanceID.NotFound": "starcluster listinstances shows the instances of this region",
    "InvalidUserData.Malformed": "user data may have 16 KB: make USERDATA_SCRIPTS shorter",
    "InvalidSubnetID.NotFound": "set SUBNET_ID to a subnet of this region, or leave it out",
    "InvalidInstanceType": _NO_TYPE,
    "InvalidInstanceType.NotFound": _NO_TYPE,
    "InvalidZone.NotFound": "starcluster listzones shows the zones of this region",
    "InvalidAvailabilityZone": "starcluster listzones shows the zones of this region",
    "VPCIdNotSpecified": _NO_VPC,
    "MissingInput": _NO_VPC,
    "TagLimitExceeded": "a resource can carry 50 tags: remove some",
    "AttachmentLimitExceeded": "this instance type takes no more volumes: detach one, or take a larger type",
    "RequestLimitExceeded": "AWS slows this account's calls down: wait a minute",
    "VolumeInUse": "detach the volume, or terminate the cluster that holds it",
    "InvalidVolume.ZoneMismatch": "a volume can only be attached in its own zone: set AVAILABILITY_ZONE to it",
    "IncorrectModificationState": (
        "an earlier change of this volume is still at work, which may take hours for a large one:"
        " starcluster listvolumes shows it; repeat the command when it is completed"
    ),
    "VolumeModificationRateExceeded": (
        "EC2 lets a volume be changed 4 times in 24 hours, each after the one before is completed: wait, or make"
        " another volume of it: starcluster copyvolume"
    ),
    "SnapshotCreationPerVolumeRateExceeded": "EC2 wants 15 seconds between two snapshots of one volume: try again then",
    "ConcurrentSnapshotLimitExceeded": (
        "up to 5 snapshots of one volume can be pending (1 for st1 and sc1): starcluster listsnapshots shows them"
    ),
    "InvalidSnapshot.InUse": (
        "an image is made of this snapshot: deregister the image first (aws ec2 deregister-image), if nobody needs it"
    ),
    "InvalidSnapshot.NotFound": "starcluster listsnapshots shows the snapshots of this region",
    "UnknownVolumeType": "the kinds of volumes are gp3, gp2, io1, io2, st1 and sc1",
    "InsufficientVolumeCapacity": "AWS has no room for such a volume there now: take another --type or zone, or wait",
    "InvalidGroup.InUse": "an instance still uses the group: wait until it is terminated",
    "DependencyViolation": "something still uses it: wait until the instances are terminated",
}
