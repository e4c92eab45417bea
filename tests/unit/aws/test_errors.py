"""Codes to verdicts and to exceptions that say what the caller does next."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from starcluster import exception
from starcluster.aws import codes, errors
from starcluster.model import Verdict


def client_error(
    code: str, message: str = "why", operation: str = "RunInstances", status: int = 400
) -> boto.ClientError:
    answer = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "req-1"},
    }
    return boto.ClientError(answer, operation)  # type: ignore[arg-type]


# one row for each code of EC2's error overview that this program can meet: (codes, verdict for a launch, exception)
ROWS: list[tuple[str, Verdict, type[exception.AWSError]]] = [
    (
        """InsufficientInstanceCapacity UnfulfillableCapacity InsufficientHostCapacity InsufficientCapacity
        InsufficientReservedInstanceCapacity ReservationCapacityExceeded InsufficientFreeAddressesInSubnet
        InsufficientVolumeCapacity Unsupported InvalidFleetConfiguration SpotMaxPriceTooLow""",
        Verdict.ELSEWHERE,
        exception.ShortageError,
    ),
    (
        """RequestLimitExceeded Throttling EC2ThrottledException BandwidthLimitExceeded InsufficientAddressCapacity
        SnapshotCreationPerVolumeRateExceeded ConcurrentSnapshotLimitExceeded ConcurrentTagAccess
        PendingVerification""",
        Verdict.WAIT,
        exception.TransientError,
    ),
    (
        "Unavailable ServiceUnavailable InternalError InternalFailure ServerInternal RetryableError",
        Verdict.AGAIN,
        exception.TransientError,
    ),
    (
        """MaxSpotInstanceCountExceeded VcpuLimitExceeded InstanceLimitExceeded MaxFleetCountExceeded
        ResourceCountExceeded RequestResourceCountExceeded MaxConfigLimitExceededException
        TargetCapacityLimitExceededException VolumeLimitExceeded MaxIOPSLimitExceeded SnapshotLimitExceeded
        AttachmentLimitExceeded NetworkInterfaceLimitExceeded SecurityGroupLimitExceeded KeyPairLimitExceeded
        TagLimitExceeded CopyVolumesLimitExceeded FilterLimitExceeded""",
        Verdict.TELL_USER,
        exception.QuotaError,
    ),
    (
        "UnauthorizedOperation AuthFailure.ServiceLinkedRoleCreationNotPermitted AccessDenied",
        Verdict.TELL_USER,
        exception.PermissionDenied,
    ),
    (
        "AuthFailure InvalidClientTokenId SignatureDoesNotMatch ExpiredToken RequestExpired",
        Verdict.TELL_USER,
        exception.CredentialsError,
    ),
    ("IdempotentParameterMismatch IdempotentInstanceTerminated", Verdict.AGAIN, exception.TokenSpent),
    (
        """IncorrectInstanceState IncorrectState IncorrectSpotRequestState InvalidState VolumeInUse
        InvalidVolume.ZoneMismatch InvalidVolumeID.ZoneMismatch InvalidAttachment.NotFound
        IncorrectModificationState""",
        Verdict.AGAIN,
        exception.ConflictError,
    ),
    (
        "DependencyViolation InvalidGroup.InUse InvalidPlacementGroup.InUse",
        Verdict.WAIT,
        exception.ConflictError,
    ),
    (
        """UnsupportedOperation InvalidParameter InvalidParameterValue InvalidParameterCombination MissingParameter
        UnknownParameter ValidationError InvalidBlockDeviceMapping InvalidUserData.Malformed InvalidInstanceType
        InvalidAvailabilityZone VPCIdNotSpecified MissingInput OptInRequired Blocked""",
        Verdict.TELL_USER,
        exception.UserMustAct,
    ),
    (
        "InvalidAMIID.NotFound InvalidAMIID.Malformed InvalidAMIID.Unavailable",
        Verdict.TELL_USER,
        exception.ImageDoesNotExist,
    ),
    ("InvalidKeyPair.NotFound", Verdict.TELL_USER, exception.KeyPairDoesNotExist),
    ("InvalidSubnetID.NotFound", Verdict.TELL_USER, exception.SubnetDoesNotExist),
    ("InvalidZone.NotFound", Verdict.TELL_USER, exception.ZoneDoesNotExist),
    (
        "InvalidPlacementGroup.Unknown InvalidSnapshot.NotFound InvalidInstanceType.NotFound",
        Verdict.TELL_USER,
        exception.NotFoundError,
    ),
    ("InvalidGroup.NotFound InvalidSecurityGroupID.NotFound", Verdict.AGAIN, exception.SecurityGroupDoesNotExist),
    ("InvalidInstanceID.NotFound", Verdict.AGAIN, exception.InstanceDoesNotExist),
    ("InvalidVolume.NotFound", Verdict.AGAIN, exception.VolumeDoesNotExist),
    (
        """InvalidSpotInstanceRequestID.NotFound InvalidLaunchTemplateId.NotFound
        InvalidLaunchTemplateName.NotFoundException""",
        Verdict.AGAIN,
        exception.NotFoundError,
    ),
    ("NeverHeardOf", Verdict.WAIT, exception.UnknownError),
]
CASES = [(code, verdict, kind) for text, verdict, kind in ROWS for code in text.split()]

# every status code of the spot request status page, those that were only seen in the wild too
STATUSES: list[tuple[str, Verdict]] = [
    ("fulfilled request-canceled-and-instance-running", Verdict.OK),
    (
        """pending-evaluation pending-fulfillment not-scheduled-yet launch-group-constraint marked-for-stop
        marked-for-stop-by-experiment instance-stopped-by-price instance-stopped-no-capacity
        instance-stopped-capacity-oversubscribed no-such-status""",
        Verdict.WAIT,
    ),
    (
        """schedule-expired system-error instance-terminated-by-experiment instance-terminated-by-schedule
        instance-terminated-launch-group-constraint instance-terminated-by-service instance-stopped-by-experiment""",
        Verdict.AGAIN,
    ),
    (
        """capacity-not-available capacity-oversubscribed az-group-constraint placement-group-constraint
        marked-for-termination instance-terminated-no-capacity instance-terminated-by-price
        instance-terminated-capacity-oversubscribed""",
        Verdict.ELSEWHERE,
    ),
    (
        """price-too-low constraint-not-fulfillable bad-parameters limit-exceeded canceled-before-fulfillment
        instance-terminated-by-user spot-instance-terminated-by-user instance-stopped-by-user""",
        Verdict.TELL_USER,
    ),
]


@pytest.mark.parametrize(("code", "verdict", "kind"), CASES)
def test_every_error_code(code: str, verdict: Verdict, kind: type[exception.AWSError]) -> None:
    assert errors.launch_verdict(code) is verdict
    error = errors.translate(client_error(code), what="launch a t3.micro")
    assert type(error) is kind
    assert error.code == code
    assert str(error) == f"can not launch a t3.micro: why ({code})"


@pytest.mark.parametrize(("code", "verdict"), [(code, verdict) for text, verdict in STATUSES for code in text.split()])
def test_every_spot_status(code: str, verdict: Verdict) -> None:
    assert errors.spot_verdict(code) is verdict


def test_a_code_stands_in_one_group_only() -> None:
    counts = Counter(code for group in codes.GROUPS for code in group.codes)
    assert [code for code, count in counts.items() if count > 1] == []
    assert set(codes.HINTS) <= set(counts)


def test_unknown_codes_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", logger="starcluster"):
        errors.launch_verdict("NeverHeardOf")
        errors.spot_verdict("no-such-status")
    assert "NeverHeardOf" in caplog.text
    assert "no-such-status" in caplog.text


def test_images_of_the_parameter_store() -> None:
    assert errors.error_class("ParameterNotFound") is exception.ImageDoesNotExist
    assert errors.launch_verdict("DryRunOperation") is Verdict.OK


def test_an_unknown_server_error_is_passing() -> None:
    assert isinstance(errors.translate(client_error("Odd", status=503), what="x"), exception.TransientError)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("t3.mikro", "did you mean: t3.micro, "),
        ("nonsense", "describe-instance-types"),
        ("cc2.8xlarge", "or not any more; what AWS has in its place now are c7i types"),
        ("c5.large", "EC2 has it not in this region, or not any more"),
    ],
)
def test_a_mistyped_instance_type(name: str, hint: str) -> None:
    error = errors.translate(client_error("InvalidInstanceType"), what="x", params={"InstanceTypes": [name]})
    assert hint in error.hint


def test_a_bid_below_ec2s_least() -> None:
    message = "Value (0.0001) for parameter price is invalid. The price must be greater than 0.001"
    error = errors.translate(client_error("InvalidParameterValue", message), what="x")
    assert error.hint.startswith("raise the bid")


PLAIN = "User: arn:aws:iam::1:user/me is not authorized to perform: ec2:CreateTags on resource: x"
ENCODED = "You are not authorized to perform this operation. Encoded authorization failure message: abc-123_x"


@pytest.mark.parametrize(
    ("message", "denied", "words"),
    [
        (PLAIN, "", "the action ec2:CreateTags"),
        ("no", "", "the action ec2:RunInstances"),
        (ENCODED, "iam:PassRole", "the action iam:PassRole"),
        (ENCODED, "", "decode-authorization-message"),
    ],
)
def test_a_missing_permission_ends_with_the_action_to_allow(message: str, denied: str, words: str) -> None:
    error = errors.translate(client_error("UnauthorizedOperation", message), what="x", denied_action=denied)
    assert words in error.hint
    assert re.search(r"the action [a-z0-9]+:[A-Za-z]+$", error.hint)
    assert "abc-123" not in str(error), "the encoded part is of no use to a reader"


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("RunInstances", "ec2:RunInstances"),
        ("GetParameters", "ssm:GetParameters"),
        ("ListBuckets", "s3:ListAllMyBuckets"),
        ("ListObjectsV2", "s3:ListBucket"),
        ("GetProducts", "pricing:GetProducts"),
    ],
)
def test_the_action_is_of_the_service_that_was_asked(operation: str, action: str) -> None:
    error = errors.translate(client_error("AccessDenied", "Access Denied", operation), what="x")
    assert error.hint.endswith(f"the action {action}")


def test_only_what_is_not_said_plainly_is_decoded() -> None:
    assert errors.encoded_denial(client_error("UnauthorizedOperation", ENCODED)) == "abc-123_x"
    assert not errors.encoded_denial(client_error("UnauthorizedOperation", f"{PLAIN} {ENCODED}"))
    assert not errors.encoded_denial(ValueError())


HOME = "https://eu-west-1.console.aws.amazon.com/servicequotas/home/services"
SPOT = {"InstanceMarketOptions": {"MarketType": "spot"}}


@pytest.mark.parametrize(
    ("code", "params", "end"),
    [
        ("MaxSpotInstanceCountExceeded", {"InstanceType": "m5.large", **SPOT}, "/ec2/quotas/L-34B43A08"),
        ("MaxSpotInstanceCountExceeded", {"InstanceType": "g5.xlarge"}, "/ec2/quotas/L-3819A6DF"),
        ("MaxSpotInstanceCountExceeded", {"InstanceType": "gr6.4xlarge"}, "/ec2/quotas/L-3819A6DF"),
        ("MaxSpotInstanceCountExceeded", {"InstanceType": "p3.2xlarge"}, "/ec2/quotas/L-7212CCBC"),
        ("MaxSpotInstanceCountExceeded", {"InstanceType": "p5en.48xlarge"}, "/ec2/quotas"),
        ("MaxSpotInstanceCountExceeded", {}, "/ec2/quotas"),
        ("VcpuLimitExceeded", {"InstanceType": "c5.large", **SPOT}, "/ec2/quotas/L-34B43A08"),
        ("VcpuLimitExceeded", {"InstanceType": "t3.micro"}, "/ec2/quotas/L-1216C47A"),
        ("VcpuLimitExceeded", {"InstanceType": "g4dn.xlarge"}, "/ec2/quotas/L-DB2E81BA"),
        ("InstanceLimitExceeded", {"InstanceType": "p4d.24xlarge"}, "/ec2/quotas/L-417A185B"),
        ("VcpuLimitExceeded", {"InstanceType": "trn1.2xlarge"}, "/ec2/quotas"),
        ("VolumeLimitExceeded", {}, "/ebs/quotas"),
        ("MaxIOPSLimitExceeded", {}, "/ebs/quotas"),
        ("SnapshotLimitExceeded", {}, "/ebs/quotas"),
        ("SecurityGroupLimitExceeded", {}, "/vpc/quotas"),
        ("KeyPairLimitExceeded", {}, "/ec2/quotas"),
    ],
)
def test_a_quota_error_ends_with_its_page(code: str, params: dict[str, object], end: str) -> None:
    error = errors.translate(client_error(code), what="x", region="eu-west-1", params=params)
    assert error.hint.endswith(f" {HOME}{end}")


@pytest.mark.parametrize(
    ("kind", "name"),
    [("trn1.2xlarge", "Trn"), ("inf2.xlarge", "Inf"), ("dl1.24xlarge", "DL"), ("x2gd.large", "X"), ("f1.2xlarge", "F")],
)
def test_a_quota_without_a_known_page_is_named(kind: str, name: str) -> None:
    error = errors.translate(
        client_error("MaxSpotInstanceCountExceeded"), what="x", region="eu-west-1", params={"InstanceType": kind}
    )
    assert f'"All {name} Spot Instance Requests"' in error.hint


@pytest.mark.parametrize("code", sorted(code for code, verdict, _ in CASES if verdict is Verdict.TELL_USER))
def test_what_the_user_must_do_is_said_where_it_is_known(code: str) -> None:
    """A parameter that EC2 does not like is our own fault as a rule; there the message is all there is."""
    bare = {"InvalidParameter", "InvalidParameterValue", "InvalidParameterCombination", "MissingParameter"}
    bare |= {"UnknownParameter", "ValidationError", "InvalidBlockDeviceMapping"}
    bare |= {"InvalidPlacementGroup.Unknown", "InvalidAMIID.Malformed", "InvalidAMIID.Unavailable"}
    assert bool(errors.translate(client_error(code), what="x").hint) is (code not in bare)


@pytest.mark.parametrize(
    ("error", "kind", "hint"),
    [
        (boto.NoCredentialsError(), exception.CredentialsError, "AWS_ACCESS_KEY_ID"),
        (boto.ProfileNotFound(profile="x"), exception.CredentialsError, "AWS_PROFILE"),
        (boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), exception.TransientError, "local up"),
        (boto.EndpointConnectionError(endpoint_url="https://ec2.x"), exception.TransientError, "network"),
        (boto.ReadTimeoutError(endpoint_url="https://ec2.x"), exception.TransientError, "network"),
        (boto.ParamValidationError(report="bad"), exception.UserMustAct, ""),
    ],
)
def test_calls_that_got_no_answer(error: boto.BotoCoreError, kind: type[exception.AWSError], hint: str) -> None:
    translated = errors.translate(error, what="look")
    assert type(translated) is kind
    assert hint in translated.hint


def test_an_answer_that_was_cut_short_is_trouble_that_passes() -> None:
    error = ResponseParserError("Unable to parse response (no element found: line 1, column 7), invalid XML received")
    assert isinstance(error, errors.failures())
    assert not isinstance(error, boto.BotoCoreError)
    translated = errors.translate(error, what="list instances")
    assert isinstance(translated, exception.TransientError)
    assert str(translated) == "can not list instances: the answer was cut short or garbled"
