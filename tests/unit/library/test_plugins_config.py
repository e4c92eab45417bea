"""The config under StarCluster's old names, as plugins read it that import it."""

from __future__ import annotations

from pathlib import Path

import pytest

import starcluster.config
from starcluster import exception

TEXT = """
[global]
CLOUD = aws
DEFAULT_TEMPLATE = small
[aws info]
AWS_ACCESS_KEY_ID = AKIAEXAMPLE
AWS_SECRET_ACCESS_KEY = words
[key mine]
KEY_LOCATION = /keys/mine
[volume data]
VOLUME_ID = vol-1
MOUNT_PATH = /data
[plugin tagger]
SETUP_CLASS = tagger.Tagger
TAGS = a=b
[cluster small]
KEYNAME = mine
CLUSTER_SIZE = 2
NODE_IMAGE_ID = ami-1
NODE_INSTANCE_TYPE = t3.micro
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "STARCLUSTER_CLOUD"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "config"
    file.write_text(TEXT)
    file.chmod(0o600)
    monkeypatch.setenv("STARCLUSTER_CONFIG", str(file))
    return file


def test_its_sections_are_dicts_with_attributes(file: Path) -> None:
    config = starcluster.config.StarClusterConfig()
    assert (config.load() is config, config.cfg_file) == (True, str(file))
    assert config.aws.aws_access_key_id == config.aws["aws_access_key_id"] == "AKIAEXAMPLE"
    assert config.globals.default_template == "small"
    assert config.clusters.small.cluster_size == 2
    assert config.keys["mine"].key_location == "/keys/mine"
    assert config.vols.data.mount_path == "/data"
    assert config.get_plugin("tagger") == {"__name__": "tagger", "setup_class": "tagger.Tagger", "tags": "a=b"}
    with pytest.raises(exception.PluginNotFound, match=r"other"):
        config.get_plugin("other")


def test_the_file_may_be_named(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(TEXT.replace("= small", "= large"))
    assert starcluster.config.get_config(str(other)).globals.default_template == "large"


def test_a_fault_that_concerns_all_is_an_error(file: Path) -> None:
    file.write_text(TEXT.replace("AWS_SECRET_ACCESS_KEY = words", ""))
    with pytest.raises(exception.ConfigError, match="AWS_SECRET_ACCESS_KEY"):
        starcluster.config.StarClusterConfig().load()


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(exception.PluginError, match="no get_easy_s3") as caught:
        starcluster.config.get_easy_s3()
    assert "boto3" in caught.value.hint
    with pytest.raises(AttributeError, match="no_such"):
        starcluster.config.no_such  # noqa: B018
