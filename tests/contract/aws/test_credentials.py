"""Credentials that run out and are renewed while the program runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from starcluster import exception
from starcluster.aws.session import Ec2
from starcluster.cloud import Cloud


def test_credentials_that_were_renewed_are_read_anew(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on AWS with keys in a file: the program has a profile, and somebody writes new keys into it."""
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def write(secret: str) -> None:
        file.write_text(f"[mine]\naws_access_key_id = {cloud.access_key}\naws_secret_access_key = {secret}\n")

    assert cloud.secret_key is not None
    write(cloud.secret_key[::-1])
    ec2 = Ec2(dataclasses.replace(cloud, access_key=None, secret_key=None, profile="mine", public=True))
    for _ in range(2):
        with pytest.raises(exception.CredentialsError):
            ec2.instances.find()
    write(cloud.secret_key)
    assert [one for one in ec2.instances.find() if one.state.is_in_cluster] == []
