"""From text to checked values; every fault says file, section and setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster import exception
from starcluster.config import files
from starcluster.config.load import load, tell_broken
from starcluster.config.schema import CloudName, Config, TypeRun

KEY = "[key k]\nKEY_LOCATION = ~/k\n"
CLUSTER = """[cluster c]
KEYNAME = k
CLUSTER_SIZE = 2
NODE_IMAGE_ID = ubuntu-24.04
NODE_INSTANCE_TYPE = t3.micro
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config"


def read(path: Path, text: str, cloud: str | None = None) -> Config:
    path.touch(mode=0o600)
    path.write_text(text)
    return load(str(path), cloud=cloud)


def use_all(config: Config) -> None:
    """Raise what a verb would hear that uses the sections which are wrong."""
    for error in config.broken.values():
        raise error


def test_the_example_needs_no_change_on_the_local_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARCLUSTER_LOCAL", "/somewhere/local")
    config = load(str(files.example()))
    template = config.template()
    assert config.cloud is CloudName.LOCAL
    assert (template.name, template.cluster_size, template.node_image_id) == ("smallcluster", 1, "ubuntu-24.04")
    assert template.key_location == "/somewhere/local/keys/local"
    assert template.volumes == ()


def test_the_example_works_with_every_commented_setting(tmp_path: Path) -> None:
    """What the example shows in comments is understood when it is uncommented."""
    lines = files.example().read_text().splitlines()
    shown = [line.removeprefix("#") if line.startswith("#") and not line.startswith("# ") else line for line in lines]
    text = "\n".join(line for line in shown if not line.startswith(("INCLUDE", "    ")))
    config = read(tmp_path / "config", text)
    assert [volume.volume_id for volume in config.template("smallcluster").volumes] == ["home"]
    assert config.template("bigcluster").cluster_size == 8
    assert len(config.template("smallcluster").plugins) == 2


def test_defaults(path: Path) -> None:
    template = read(path, KEY + CLUSTER).template("c")
    assert (template.cluster_user, template.cluster_shell, template.public_ips) == ("sgeadmin", "bash", None)
    assert template.key_location == str(Path("~/k").expanduser())


def test_a_config_without_cloud_means_aws(path: Path) -> None:
    assert read(path, "").cloud is CloudName.AWS


@pytest.mark.parametrize(
    ("option", "variable", "written", "cloud"),
    [
        ("aws", "local", "local", "aws"),
        (None, "local", "aws", "local"),
        (None, None, "local", "local"),
        ("LOCAL", None, "aws", "local"),
    ],
)
def test_which_cloud(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: str | None,
    variable: str | None,
    written: str,
    cloud: str,
) -> None:
    if variable:
        monkeypatch.setenv("STARCLUSTER_CLOUD", variable)
    assert read(path, f"[global]\nCLOUD = {written}\n", option).cloud == cloud


def test_an_unknown_cloud_is_wrong_usage(path: Path) -> None:
    with pytest.raises(exception.UsageError, match="no cloud 'mars'"):
        read(path, "", "mars")


def test_the_local_key_needs_no_location_on_the_local_cloud_only(path: Path) -> None:
    config = read(path, "[global]\nCLOUD = local\n[key local]\n")
    assert config.key("local").key_location == str(files.local_key())
    with pytest.raises(exception.ConfigError, match=r"\[key local\] KEY_LOCATION: is missing"):
        read(path, "[key local]\n").key("local")


def test_extends_takes_what_is_not_said_and_replaces_lists(path: Path) -> None:
    text = (
        KEY
        + "[permission a]\nFROM_PORT = 1\nTO_PORT = 2\n[permission b]\nFROM_PORT = 3\nTO_PORT = 3\n"
        + CLUSTER
        + "PERMISSIONS = a\nCLUSTER_USER = me\n[cluster d]\nEXTENDS = c\nCLUSTER_SIZE = 5\nPERMISSIONS = b\n"
    )
    template = read(path, text).template("d")
    assert (template.cluster_size, template.cluster_user, template.node_instance_type) == (5, "me", "t3.micro")
    assert [one.name for one in template.permissions] == ["b"]


def test_type_list(path: Path) -> None:
    text = KEY + CLUSTER.replace("= 2", "= 6").replace(
        "t3.micro", "c5.large:3, m5.large:ami-1, r5.large:ami-2:1, t3.nano"
    )
    template = read(path, text).template("c")
    assert template.node_instance_type == "t3.nano"
    assert template.type_runs == (
        TypeRun(instance_type="c5.large", count=3),
        TypeRun(instance_type="m5.large", image_id="ami-1"),
        TypeRun(instance_type="r5.large", image_id="ami-2", count=1),
    )


def test_plugin_arguments_are_raw(path: Path) -> None:
    text = "[plugin p]\nSETUP_CLASS = a.B\nother = x\nPath = %(other)s 50%\nlines = one\n  two\n"
    plugin = read(path, text).plugin("p")
    assert plugin.setup_class == "a.B"
    assert plugin.arguments == {"other": "x", "path": "%(other)s 50%", "lines": "one\ntwo"}


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (CLUSTER, r"\[cluster c\] KEYNAME", r"no section \[key k\]"),
        (KEY + CLUSTER.replace("= 2", "= two"), r"\[cluster c\] CLUSTER_SIZE", "an integer is expected, not 'two'"),
        (KEY + CLUSTER.replace("= 2", "= 0"), r"\[cluster c\] CLUSTER_SIZE", "at least 1"),
        (KEY + CLUSTER + "SPOT_BID = cheap\n", r"\[cluster c\] SPOT_BID", "a number is expected"),
        (KEY + CLUSTER + "SPOT_BID = nan\n", r"\[cluster c\] SPOT_BID", "a number is expected"),
        (KEY + CLUSTER + "PUBLIC_IPS = maybe\n", r"\[cluster c\] PUBLIC_IPS", "True or False is expected"),
        (KEY + CLUSTER + "CLUSTER_SHELL = fish\n", r"\[cluster c\] CLUSTER_SHELL", "not one of: bash"),
        (KEY + CLUSTER + "VOLUMES = v\n", r"\[cluster c\] VOLUMES", r"no section \[volume v\]"),
        (KEY + CLUSTER + "PLUGINS = p\n", r"\[cluster c\] PLUGINS", r"no section \[plugin p\]"),
        (KEY + CLUSTER + "EXTENDS = d\n", r"\[cluster c\] EXTENDS", r"no section \[cluster d\]"),
        (KEY + CLUSTER + "EXTENDS = c\n", r"\[cluster c\] EXTENDS", "circle"),
        (KEY + CLUSTER.replace("t3.micro", "a:b:c:d, t3.micro"), r"NODE_INSTANCE_TYPE", "too many colons"),
        (KEY + CLUSTER.replace("t3.micro", "a:b:c, t3.micro"), r"NODE_INSTANCE_TYPE", "not a count"),
        (KEY + CLUSTER.replace("t3.micro", "a:2, t3.micro"), r"NODE_INSTANCE_TYPE", "names 2 workers"),
        (KEY + CLUSTER.replace("t3.micro", "a:2"), r"NODE_INSTANCE_TYPE", "last item"),
        (KEY + CLUSTER.replace("NODE_IMAGE_ID = ubuntu-24.04", ""), r"NODE_IMAGE_ID", "is missing"),
        ("[volume v]\nVOLUME_ID = home\n", r"\[volume v\] MOUNT_PATH", "is missing"),
        ("[plugin p]\nx = 1\n", r"\[plugin p\] SETUP_CLASS", "is missing"),
        ("[permission p]\nFROM_PORT = 1\nTO_PORT = 1\nIP_PROTOCOL = gre\n", r"IP_PROTOCOL", "not one of: tcp"),
        ("[cluster]\n", r"\[cluster\]", "needs a name"),
        ("[global]\nCLOUD = mars\n", r"\[global\] CLOUD", "not one of: aws, local"),
        ("[aws info]\nAWS_ACCESS_KEY_ID = a\n", r"\[aws info\] AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID is there"),
        ("[aws info]\nAWS_SECRET_ACCESS_KEY = a\n", r"\[aws info\] AWS_ACCESS_KEY_ID", "is missing"),
        ("[aws info]\nAWS_REGION_HOST = https://a\n", r"\[aws info\] AWS_REGION_HOST", "not the name of a host"),
        ("[aws info]\nAWS_REGION_HOST = a b\n", r"\[aws info\] AWS_REGION_HOST", "not the name of a host"),
    ],
)
def test_faults_say_where_and_what(path: Path, text: str, where: str, what: str) -> None:
    with pytest.raises(exception.ConfigError, match=f"{where}.*: .*{what}") as caught:
        use_all(read(path, text))
    assert str(caught.value).startswith(str(path))


def test_a_fault_in_an_included_file_names_that_file(path: Path) -> None:
    more = path.with_name("more")
    more.write_text("[volume v]\nVOLUME_ID = home\nMOUNT_PATH = /home\nPARTITION = x\n")
    with pytest.raises(exception.ConfigError, match=rf"{more} \[volume v\] PARTITION"):
        use_all(read(path, f"[global]\nINCLUDE = {more}\n"))


def test_faults_of_the_config_keep_out_of_a_remote_commands_output(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell_broken(read(path, KEY + CLUSTER + "NODE_IMAGE = x\n[plugin p]\nx = 1\n"))
    out, err = capsys.readouterr()
    assert (out, "unknown setting" in err, "matters only to what uses it" in err) == ("", True, True)


def test_a_fault_in_a_section_stops_only_those_who_use_it(path: Path, log_lines: list[str]) -> None:
    two = (
        "[cluster two]\nEXTENDS = c\nCLUSTER_SIZE = two\n[plugin p]\nx = 1\n[cluster three]\nEXTENDS = c\nPLUGINS = p\n"
    )
    config = read(path, KEY + CLUSTER + two)
    assert config.template("c").cluster_size == 2
    with pytest.raises(exception.ConfigError, match=r"\[cluster two\] CLUSTER_SIZE"):
        config.template("two")
    with pytest.raises(exception.ConfigError, match=r"\[plugin p\] SETUP_CLASS"):
        config.plugin("p")
    with pytest.raises(exception.ConfigError, match=r"\[plugin p\] SETUP_CLASS"):
        config.template("three")
    assert not log_lines
    tell_broken(config)
    assert [line.partition(": ")[0].partition(" ")[2] for line in log_lines] == [
        "[plugin p] SETUP_CLASS",
        "[cluster two] CLUSTER_SIZE",
    ]


def test_templates_that_are_there_and_wrong_are_named(path: Path) -> None:
    config = read(path, KEY + CLUSTER.replace("cluster c", "clustr c") + "[cluster d]\nEXTENDS = c\n")
    with pytest.raises(exception.ClusterTemplateDoesNotExist) as caught:
        config.template("c")
    assert caught.value.hint == (
        f"[cluster d] can not be used: {path} [cluster d] EXTENDS: there is no section [cluster c]"
    )


def test_what_templates_inherit_is_told_once(path: Path, log_lines: list[str]) -> None:
    tell_broken(read(path, CLUSTER + "[cluster d]\nEXTENDS = c\n"))
    told = f"{path} [cluster c] KEYNAME: there is no section [key k] (matters only to what uses it)"
    assert log_lines == [told]


def test_unknown_settings_are_told_with_what_may_be_meant(path: Path, log_lines: list[str]) -> None:
    read(path, KEY + CLUSTER + "NODE_IMAGE = x\n")
    assert any("[cluster c]: unknown setting NODE_IMAGE, did you mean NODE_IMAGE_ID?" in one for one in log_lines)


def test_the_environment_overrules_aws_info_on_aws_only(
    path: Path, monkeypatch: pytest.MonkeyPatch, log_lines: list[str]
) -> None:
    text = "[aws info]\nAWS_ACCESS_KEY_ID = file\nAWS_SECRET_ACCESS_KEY = file\nAWS_SESSION_TOKEN = file\n"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "env")
    monkeypatch.setenv("aws_secret_access_key", "env")
    aws = read(path, text).aws
    assert (aws.aws_access_key_id, aws.aws_secret_access_key, aws.aws_session_token) == ("env", "env", "")
    assert "Setting 'AWS_ACCESS_KEY_ID' from environment" in log_lines
    log_lines.clear()
    assert read(path, text, "local").aws.aws_access_key_id == ""
    assert log_lines == []


def test_a_token_of_the_environment_does_not_go_with_keys_of_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "env")
    text = "[aws info]\nAWS_ACCESS_KEY_ID = file\nAWS_SECRET_ACCESS_KEY = file\n"
    assert read(path, text).aws.aws_session_token == ""


def test_no_config_tells_how_to_make_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(exception.ConfigNotFound) as caught:
        load(str(path), cloud="local")
    assert "cp " in caught.value.hint
    assert f"config.example {path}" in caught.value.hint


def test_which_template(path: Path) -> None:
    config = read(path, KEY + CLUSTER)
    with pytest.raises(exception.NoDefaultTemplateFound) as caught:
        config.template()
    assert "templates in this config: c" in caught.value.hint
    with pytest.raises(exception.ClusterTemplateDoesNotExist, match=r"\[cluster d\]"):
        config.template("d")
    assert read(path, "[global]\nDEFAULT_TEMPLATE = c\n" + KEY + CLUSTER).template().name == "c"
    with pytest.raises(exception.ClusterTemplateDoesNotExist, match=r"config \[global\] DEFAULT_TEMPLATE: .*cluster d"):
        read(path, "[global]\nDEFAULT_TEMPLATE = d\n" + KEY + CLUSTER).template()
    for host in ("ec2.eu-west-1.amazonaws.com", "127.0.0.1:8000", "[::1]"):
        assert read(path, f"[aws info]\nAWS_REGION_HOST = {host}\n").aws.aws_region_host == host
