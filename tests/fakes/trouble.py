"""The errors that fakes raise, and what they all agree on."""

from __future__ import annotations

from datetime import UTC, datetime

from starcluster import exception

REGION = "us-east-1"
VPC = "vpc-00000001"
START = datetime(2026, 1, 1, tzinfo=UTC)


def fake_error(code: str, text: str = "") -> exception.AWSError:
    """The exception that the real door raises for this code."""
    from starcluster.aws.errors import error_class

    return error_class(code)(text or f"EC2 says {code}", code=code)
