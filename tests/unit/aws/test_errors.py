"""Codes to verdicts and to exceptions that say what the caller does next."""

from __future__ import annotations

from collections import Counter

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from starcluster import exception
from starcluster.aws import errors
from starcluster.model import Verdict


def client_error(
    code: str, message: str = "why", operation: str = "RunInstances", status: int = 400
) -> boto.ClientError:
    answer = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "req-1"},
    }
    return boto.ClientError(answer, operation)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("InsufficientInstanceCapacity", Verdict.ELSEWHERE),
        ("Unsupported", Verdict.ELSEWHERE),
        ("MaxSpotInstanceCountExceeded", Verdict.TELL_USER),
        ("VcpuLimitExceeded", Verdict.TELL_USER),
        ("UnauthorizedOperation", Verdict.TELL_USER),
        ("InvalidAMIID.NotFound", Verdict.TELL_USER),
        ("RequestLimitExceeded", Verdict.WAIT),
        ("Unavailable", Verdict.AGAIN),
        ("IdempotentInstanceTerminated", Verdict.AGAIN),
        ("InvalidGroup.NotFound", Verdict.AGAIN),
        ("DryRunOperation", Verdict.OK),
        ("SomethingNobodyKnows", Verdict.WAIT),
    ],
)
def test_launch_verdicts(code: str, verdict: Verdict) -> None:
    assert errors.launch_verdict(code) is verdict


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("fulfilled", Verdict.OK),
        ("pending-evaluation", Verdict.WAIT),
        ("capacity-not-available", Verdict.ELSEWHERE),
        ("instance-terminated-no-capacity", Verdict.ELSEWHERE),
        ("marked-for-termination", Verdict.ELSEWHERE),
        ("instance-terminated-by-user", Verdict.TELL_USER),
        ("price-too-low", Verdict.TELL_USER),
        ("system-error", Verdict.AGAIN),
        ("no-such-status", Verdict.WAIT),
    ],
)
def test_spot_verdicts(code: str, verdict: Verdict) -> None:
    assert errors.spot_verdict(code) is verdict


def test_a_code_stands_in_one_group_only() -> None:
    counts = Counter(code for codes, _ in errors._CLASSES for code in codes)
    assert [code for code, count in counts.items() if count > 1] == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("InsufficientInstanceCapacity", exception.ShortageError),
        ("RequestLimitExceeded", exception.TransientError),
        ("InternalError", exception.TransientError),
        ("MaxSpotInstanceCountExceeded", exception.QuotaError),
        ("UnauthorizedOperation", exception.PermissionDenied),
        ("ExpiredToken", exception.CredentialsError),
        ("IdempotentParameterMismatch", exception.TokenSpent),
        ("VolumeInUse", exception.ConflictError),
        ("InvalidAttachment.NotFound", exception.ConflictError),
        ("InvalidInstanceID.NotFound", exception.InstanceDoesNotExist),
        ("InvalidVolume.NotFound", exception.VolumeDoesNotExist),
        ("InvalidGroup.NotFound", exception.SecurityGroupDoesNotExist),
        ("InvalidKeyPair.NotFound", exception.KeyPairDoesNotExist),
        ("InvalidAMIID.NotFound", exception.ImageDoesNotExist),
        ("ParameterNotFound", exception.ImageDoesNotExist),
        ("InvalidLaunchTemplateId.NotFound", exception.NotFoundError),
        ("InvalidParameterValue", exception.UserMustAct),
        ("NeverHeardOf", exception.UserMustAct),
    ],
)
def test_exceptions(code: str, kind: type[exception.AWSError]) -> None:
    error = errors.translate(client_error(code), what="launch a t3.micro")
    assert type(error) is kind
    assert error.code == code
    assert str(error) == f"can not launch a t3.micro: why ({code})"


def test_an_unknown_server_error_is_passing() -> None:
    assert isinstance(errors.translate(client_error("Odd", status=503), what="x"), exception.TransientError)


def test_a_missing_permission_names_the_action() -> None:
    text = "User: arn:aws:iam::1:user/me is not authorized to perform: ec2:CreateTags on resource: x"
    assert "ec2:CreateTags" in errors.translate(client_error("UnauthorizedOperation", text), what="x").hint
    plain = errors.translate(client_error("UnauthorizedOperation", "no"), what="x")
    assert "ec2:RunInstances" in plain.hint


def test_the_quota_error_names_the_page() -> None:
    assert "Service Quotas" in errors.translate(client_error("MaxSpotInstanceCountExceeded"), what="x").hint


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
