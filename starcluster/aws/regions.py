"""Which region of AWS is meant."""

from __future__ import annotations

import os

from starcluster import exception

DEFAULT = "us-east-1"


def choose(chosen: str | None, written: str, profile: str | None) -> str:
    """The option's region (which must exist), the config's, that of boto3's own settings, else the default."""
    import botocore.session
    from botocore.exceptions import ProfileNotFound

    try:
        session = botocore.session.Session(profile=profile)
        found: str | None = session.get_config_variable("region")
    except ProfileNotFound as error:
        raise exception.CredentialsError(str(error), hint="`aws configure list-profiles` shows them") from error
    if chosen and chosen not in session.get_available_regions("ec2"):
        raise exception.UserMustAct(
            f"region '{chosen}' is not known",
            hint="`starcluster listregions` shows the regions; one too new to be known goes into AWS_REGION_NAME",
        )
    return chosen or written or os.environ.get("AWS_REGION") or found or DEFAULT
