"""StarClusterConfig: the sections as programs read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster import exception
from starcluster.library.config import StarClusterConfig, get_cluster_manager, get_config, get_easy_ec2
from tests.fakes.ec2 import FakeEc2


def test_sections_are_dicts_with_attributes(cfg: StarClusterConfig, path: Path) -> None:
    assert cfg.globals.default_template == cfg.get_default_cluster_template() == "small"
    assert cfg.aws["aws_access_key_id"] == cfg.get_aws_credentials().aws_access_key_id == "AKIA"
    assert cfg.keys["mykey"] == cfg.get_key("mykey") == {"key_location": f"{path.parent}/mykey"}
    assert cfg.vols["data"].mount_path == "/data"
    assert cfg.plugins["greet"] == cfg.get_plugin("greet")
    assert dict(cfg.get_plugin("greet")) == {
        "__name__": "greet",
        "setup_class": "tests.unit.library.greeting.Greeting",
        "word": "hello",
    }
    assert (cfg.clusters["small"].cluster_size, list(cfg.get_cluster_names())) == (2, ["small"])
    assert cfg.permissions == {}
    assert cfg.config.get("cluster small", "KEYNAME") == "mykey"


def test_what_is_not_there(cfg: StarClusterConfig) -> None:
    with pytest.raises(exception.PluginNotFound):
        cfg.get_plugin("nix")
    with pytest.raises(exception.KeyNotFound):
        cfg.get_key("nix")
    with pytest.raises(exception.ClusterTemplateDoesNotExist):
        cfg.get_cluster_template("nix")


def test_our_own_config_is_behind_it(cfg: StarClusterConfig, path: Path) -> None:
    assert (cfg.cfg_file, cfg.path, cfg.template().name) == (str(path), str(path), "small")
    with pytest.raises(AttributeError):
        _ = cfg.nonsense


def test_the_factories(path: Path, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_config(str(path)).cfg_file == str(path)
    assert get_easy_ec2(str(path)) is ec2
    monkeypatch.setenv("STARCLUSTER_CONFIG", str(path))
    assert get_cluster_manager().cfg.cfg_file == str(path)
    monkeypatch.setenv("HOME", str(path.parent))
    assert get_config("~/config").cfg_file == str(path)


def test_a_config_that_is_not_there_can_be_made(path: Path) -> None:
    missing = StarClusterConfig(str(path.parent / "new"))
    with pytest.raises(exception.ConfigNotFound):
        _ = missing.config
    with pytest.raises(exception.ConfigNotFound) as caught:
        missing.load()
    caught.value.create_config()  # type: ignore[attr-defined]
    assert missing.load().cfg_file == caught.value.cfg == str(path.parent / "new")  # type: ignore[attr-defined]


def test_a_config_of_another_kind() -> None:
    with pytest.raises(exception.ConfigError, match="a path or a URL, not a dict"):
        StarClusterConfig({})  # type: ignore[arg-type]
