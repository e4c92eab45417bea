"""What is printed in `starcluster shell`, or falls into a log, holds no secret."""

from __future__ import annotations

import dataclasses

from starcluster.cluster.record import PluginRecord
from starcluster.config import secrecy
from starcluster.config.schema import AwsSettings, CloudName, Config, PluginSettings

AWS = AwsSettings(
    aws_access_key_id="AKIAEXAMPLE",
    aws_secret_access_key="very-private-1",
    aws_session_token="very-private-2",
    aws_proxy_user="me",
    aws_proxy_pass="very-private-3",
    ec2_private_key="/home/me/pk.pem",
)
ARGUMENTS = {"db_password": "very-private-4", "message": "hello"}


def test_a_printed_config_shows_no_secrets_but_the_rest() -> None:
    plugin = PluginSettings(name="db", setup_class="db.Db", arguments=ARGUMENTS)
    config = Config(path="config", cloud=CloudName.AWS, aws=AWS, plugins={"db": plugin})
    for short in (repr(config), str(config)):
        assert "very-private" not in short
    for said in (f"{config.aws} {config.plugins}", f"{config.aws!r} {vars(config)['plugins']!r}"):
        assert "very-private" not in said
        assert said.count(f"={secrecy.HIDDEN!r}") == 3
        assert f"'db_password': {secrecy.HIDDEN!r}" in said
        assert all(word in said for word in ("AKIAEXAMPLE", "'me'", "/home/me/pk.pem", "hello", "db.Db"))
    assert dataclasses.asdict(AWS)["aws_secret_access_key"] == "very-private-1"


def test_nor_does_what_a_cluster_keeps_of_a_plugin() -> None:
    said = repr(PluginRecord(name="db", setup_class="db.Db", settings=ARGUMENTS))
    assert "very-private" not in said
    assert said.endswith("settings={'db_password': '(hidden)', 'message': 'hello'})")


def test_what_is_not_set_is_not_hidden() -> None:
    assert secrecy.HIDDEN not in repr(AwsSettings())
