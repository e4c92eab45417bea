"""Which cloud comes of which config; AWS is never called here."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster import exception
from starcluster.cloud import aws_endpoint, aws_proxies, open_cloud, ssh_callers
from starcluster.config.load import load
from starcluster.config.schema import AwsSettings, Config
from starcluster.ssh.dialer import TcpDialer
from starcluster.ssh.proxy import BastionDialer, SsmDialer


def config(tmp_path: Path, text: str) -> Config:
    (tmp_path / "config").write_text(text)
    return load(str(tmp_path / "config"), cloud="aws")


def test_aws_from_the_config(tmp_path: Path) -> None:
    text = """[global]
SSH_CIDR = 10.0.0.0/8
[aws info]
AWS_ACCESS_KEY_ID = a
AWS_SECRET_ACCESS_KEY = s
AWS_REGION_NAME = eu-central-1
"""
    cloud = open_cloud(config(tmp_path, text))
    assert (cloud.name, cloud.region, cloud.public, cloud.endpoint_url) == ("aws", "eu-central-1", True, None)
    assert (cloud.access_key, cloud.secret_key, cloud.session_token) == ("a", "s", None)
    assert cloud.clock_scale == 1
    assert isinstance(cloud.dialer, TcpDialer)
    assert cloud.callers() == ("10.0.0.0/8",)
    assert "'s'" not in repr(cloud)


def test_the_region_option_wins_and_must_exist(tmp_path: Path) -> None:
    told = config(tmp_path, "[aws info]\nAWS_REGION_NAME = eu-central-1\n")
    assert open_cloud(told, region="us-west-2").region == "us-west-2"
    with pytest.raises(exception.UserMustAct, match="mars-1"):
        open_cloud(told, region="mars-1")


def test_without_any_region_it_is_us_east_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_cloud(config(tmp_path, "")).region == "us-east-1"
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert open_cloud(config(tmp_path, "")).region == "eu-west-3"


def test_a_profile_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(exception.CredentialsError, match="nosuch"):
        open_cloud(config(tmp_path, "[aws info]\nAWS_PROFILE = nosuch\n"))


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, None),
        ({"aws_region_host": "ec2.example.org"}, "https://ec2.example.org"),
        ({"aws_region_host": "h", "aws_is_secure": False, "aws_port": 8773, "aws_ec2_path": "/x/"}, "http://h:8773/x"),
    ],
)
def test_endpoint(settings: dict[str, object], url: str | None) -> None:
    assert aws_endpoint(AwsSettings(**settings)) == url  # type: ignore[arg-type]


def test_proxy() -> None:
    assert aws_proxies(AwsSettings()) is None
    settings = AwsSettings(aws_proxy="p", aws_proxy_port=8080, aws_proxy_user="me", aws_proxy_pass="a b")
    assert aws_proxies(settings) == {"http": "http://me:a%20b@p:8080", "https": "http://me:a%20b@p:8080"}


def with_globals(tmp_path: Path, text: str, aws: str = "") -> Config:
    return config(tmp_path, f"[global]\n{text}\n[aws info]\nAWS_REGION_NAME = eu-west-1\n{aws}\n")


def test_who_calls(tmp_path: Path) -> None:
    def called(text: str) -> tuple[str, ...]:
        return ssh_callers(with_globals(tmp_path, text), lambda: "203.0.113.9/32")

    assert called("") == ("203.0.113.9/32",)
    assert called("SSH_CIDR = 10.0.0.0/8, auto, 203.0.113.9") == ("10.0.0.0/8", "203.0.113.9/32")
    assert called("SSH_PROXY = me@127.0.0.9") == ("127.0.0.9/32",)
    assert called("SSH_PROXY = ssm") == ()
    assert called("SSH_PROXY = ssm\nSSH_CIDR = 10.0.0.0/8") == ("10.0.0.0/8",)


def test_a_bastion_without_an_address(tmp_path: Path) -> None:
    with pytest.raises(exception.UserMustAct, match=r"nosuch\.invalid") as caught:
        ssh_callers(with_globals(tmp_path, "SSH_PROXY = nosuch.invalid"), lambda: "")
    assert "SSH_CIDR" in caught.value.hint


def test_ssh_proxy_decides_how_nodes_are_dialed(tmp_path: Path) -> None:
    text = "SSH_PROXY = me@gate:2222\nSSH_PROXY_KEY = ~/k\nSSH_STRICT = yes"
    assert open_cloud(with_globals(tmp_path, text)).dialer == BastionDialer(
        host="gate", user="me", port=2222, key_file=Path("~/k").expanduser(), strict=True
    )
    ssm = open_cloud(with_globals(tmp_path, "SSH_PROXY = ssm")).dialer
    assert ssm == SsmDialer(region="eu-west-1")


def test_the_session_manager_does_not_know_the_configs_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = "AWS_ACCESS_KEY_ID = a\nAWS_SECRET_ACCESS_KEY = s"
    with pytest.raises(exception.UserMustAct, match="does not know the keys") as caught:
        open_cloud(with_globals(tmp_path, "SSH_PROXY = ssm", keys))
    assert "AWS_PROFILE" in caught.value.hint
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert open_cloud(with_globals(tmp_path, "SSH_PROXY = ssm")).dialer == SsmDialer(region="eu-west-1")
