"""EC2's refusals: error codes with their HTTP status. The code names are EC2's."""

from __future__ import annotations

from typing import Any

from moto.ec2.exceptions import EC2ClientError

# EC2 answers most errors with 400; these are the others.
HTTP_STATUS = {
    "AuthFailure": 401,
    "UnauthorizedOperation": 403,
    "SignatureDoesNotMatch": 403,
    "DryRunOperation": 412,
    "InsufficientInstanceCapacity": 500,
    "InsufficientVolumeCapacity": 500,
    "InsufficientAddressCapacity": 500,
    "InternalError": 500,
    "InternalFailure": 500,
    "RequestLimitExceeded": 503,
    "Unavailable": 503,
    "ServiceUnavailable": 503,
}


def http_status(code: str) -> int:
    """The HTTP status that goes with an error code."""
    return HTTP_STATUS.get(code, 400)


class Refusal(EC2ClientError):
    """A call that EC2 refuses."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


def missing(parameter: str) -> Refusal:
    return Refusal("MissingParameter", f"The request must contain the parameter {parameter}")


def invalid_value(value: Any, parameter: str, why: str = "") -> Refusal:
    text = f"Value ({value}) for parameter {parameter} is invalid. {why}".strip()
    return Refusal("InvalidParameterValue", text)


def bad_combination(message: str) -> Refusal:
    return Refusal("InvalidParameterCombination", message)


def not_found(kind: str, value: str, noun: str) -> Refusal:
    """`kind` is EC2's family of codes, as in InvalidInstanceID."""
    return Refusal(f"{kind}.NotFound", f"The {noun} '{value}' does not exist")


def malformed(kind: str, value: str) -> Refusal:
    return Refusal(f"{kind}.Malformed", f'Invalid id: "{value}"')


def wrong_instance_state(instance_id: str, what: str) -> Refusal:
    text = f"The instance '{instance_id}' is not in a state from which it can be {what}."
    return Refusal("IncorrectInstanceState", text)


def no_capacity(instance_type: str, zone: str) -> Refusal:
    text = (
        f"We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested"
        f" ({zone}). Our system will be working on provisioning additional capacity."
    )
    return Refusal("InsufficientInstanceCapacity", text)
