"""What StarCluster's manual and StarCluster itself said of its config files, statement by statement."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from starcluster import exception
from starcluster.config.load import load, tell_broken
from starcluster.config.schema import Config
from tests.unit.config.test_load import CLUSTER, KEY, read

PERMISSION = "FROM_PORT = 1\nTO_PORT = 2\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config"


# -- sections


@pytest.mark.parametrize("word", ["key", "keypair"])
def test_a_key_has_two_words(path: Path, word: str) -> None:
    assert read(path, f"[{word} mine]\nKEY_LOCATION = /k\n").key("mine").key_location == "/k"


@pytest.mark.parametrize("word", ["vol", "volume"])
def test_a_volume_has_two_words(path: Path, word: str) -> None:
    config = read(path, f"[{word} v]\nVOLUME_ID = home\nMOUNT_PATH = /home\n" + KEY + CLUSTER + "VOLUMES = v\n")
    assert config.template("c").volumes[0].volume_id == "home"


@pytest.mark.parametrize("word", ["permission", "permissions"])
def test_the_kind_of_a_section_is_how_its_word_begins(path: Path, word: str) -> None:
    assert read(path, f"[{word} p]\n" + PERMISSION).permissions["p"].to_port == 2


def test_a_cluster_is_found_under_any_such_word(path: Path) -> None:
    config = read(path, KEY + CLUSTER.replace("[cluster c]", "[clusters  c]") + "[cluster d]\nEXTENDS = c\n")
    assert (config.template("c").cluster_size, config.template("d").cluster_size) == (2, 2)


def test_the_name_is_the_second_word(path: Path, log_lines: list[str]) -> None:
    assert list(read(path, "[permission web and more]\n" + PERMISSION).permissions) == ["web"]
    assert log_lines == [f"{path} [permission web and more]: its name is web, what follows that is not read"]


def test_names_of_sections_know_case(path: Path) -> None:
    config = read(path, KEY + KEY.replace("key k", "key K").replace("~/k", "/K"))
    assert (config.key("K").key_location, sorted(config.keys)) == ("/K", ["K", "k"])


def test_a_section_without_a_name_harms_nobody_else(path: Path, log_lines: list[str]) -> None:
    config = read(path, KEY + CLUSTER + "[cluster]\nCLUSTER_SIZE = 1\n")
    assert config.template("c").cluster_size == 2
    tell_broken(config)
    assert log_lines == [f"{path} [cluster]: the section needs a name: [cluster NAME] (matters only to what uses it)"]


def test_sections_that_come_twice_are_one(path: Path) -> None:
    assert read(path, KEY + CLUSTER + "[cluster c]\nCLUSTER_SIZE = 7\n").template("c").cluster_size == 7


def test_default_holds_for_all_sections_and_is_overruled_by_each(path: Path) -> None:
    text = "[DEFAULT]\nCLUSTER_USER = me\nbase = t3\n" + KEY + CLUSTER.replace("t3.micro", "%(base)s.large")
    template = read(path, text).template("c")
    assert (template.cluster_user, template.node_instance_type) == ("me", "t3.large")
    assert read(path, text + "CLUSTER_USER = you\n").template("c").cluster_user == "you"


def test_what_a_child_says_itself_beats_its_parent_even_if_it_is_the_default(path: Path) -> None:
    text = "[DEFAULT]\nCLUSTER_USER = me\n" + KEY + CLUSTER + "CLUSTER_USER = you\n"
    config = read(path, text + "[cluster d]\nEXTENDS = c\nCLUSTER_USER = me\n[cluster e]\nEXTENDS = c\n")
    assert [config.template(name).cluster_user for name in "cde"] == ["you", "me", "you"]


# -- values


def test_a_value_goes_on_behind_an_empty_line(path: Path) -> None:
    plugin = read(path, "[plugin p]\nSETUP_CLASS = a.B\ntext = one\n\n  two\n\n[key k]\n").plugin("p")
    assert plugin.arguments == {"text": "one\ntwo"}


def test_comments(path: Path) -> None:
    text = KEY + "# one\n; two\n" + CLUSTER + "CLUSTER_USER = me # who\nSUBNET_ID = a#b;c\nPLUGINS = ; none\n"
    template = read(path, text).template("c")
    assert (template.cluster_user, template.subnet_id, template.plugins) == ("me", "a#b;c", ())


@pytest.mark.parametrize("word", ["1", "yes", "True", "ON"])
def test_yes(path: Path, word: str) -> None:
    assert read(path, KEY + CLUSTER + f"DNS_PREFIX = {word}\n").template("c").dns_prefix is True


@pytest.mark.parametrize("word", ["0", "No", "false", "off"])
def test_no(path: Path, word: str) -> None:
    assert read(path, KEY + CLUSTER + f"PUBLIC_IPS = {word}\n").template("c").public_ips is False


def test_lists_are_trimmed_and_keep_their_order(path: Path) -> None:
    plugins = "".join(f"[plugin {name}]\nSETUP_CLASS = a.{name}\n" for name in "xyz")
    template = read(path, KEY + plugins + CLUSTER + "PLUGINS =  z ,x,\n  y\n").template("c")
    assert [one.name for one in template.plugins] == ["z", "x", "y"]


def test_paths_are_expanded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THERE", "/there")
    text = "[key k]\nKEY_LOCATION = $THERE/k\n[aws info]\nEC2_CERT = ${THERE}/c\nEC2_PRIVATE_KEY = ~/p\n"
    config = read(path, text + CLUSTER + "USERDATA_SCRIPTS = ~/a, $THERE/b\n")
    assert config.key("k").key_location == "/there/k"
    assert (config.aws.ec2_cert, config.aws.ec2_private_key) == ("/there/c", os.path.expanduser("~/p"))
    assert config.template("c").userdata_scripts == (os.path.expanduser("~/a"), "/there/b")


def test_what_a_value_stands_for_is_looked_for_where_it_is_written(path: Path) -> None:
    """A parent's %(name)s is the parent's own setting, as in StarCluster."""
    text = KEY + CLUSTER + "kind = parent\nCLUSTER_USER = %(kind)s\n[cluster d]\nEXTENDS = c\nkind = child\n"
    assert read(path, text).template("d").cluster_user == "parent"


# -- templates


def test_a_child_may_leave_out_what_is_required(path: Path) -> None:
    text = KEY + CLUSTER + "[cluster d]\nEXTENDS = c\n[cluster e]\nEXTENDS = d\nCLUSTER_SIZE = 9\n"
    assert read(path, text).template("e").cluster_size == 9


def test_a_parent_need_not_be_whole(path: Path) -> None:
    text = "[cluster base]\nCLUSTER_SIZE = 3\n" + KEY + CLUSTER.replace("CLUSTER_SIZE = 2", "EXTENDS = base")
    config = read(path, text)
    assert config.template("c").cluster_size == 3
    with pytest.raises(exception.ConfigError, match=r"\[cluster base\] KEYNAME: is missing"):
        config.template("base")


def test_a_circle_names_its_members(path: Path) -> None:
    config = read(path, "[cluster a]\nEXTENDS = b\n[cluster b]\nEXTENDS = a\n")
    with pytest.raises(exception.ConfigError, match="circle: cluster a -> cluster b -> cluster a"):
        config.template("a")


def test_a_fault_that_is_inherited_names_the_section_where_it_stands(path: Path) -> None:
    config = read(path, KEY + CLUSTER + "SPOT_BID = low\n[cluster d]\nEXTENDS = c\n")
    with pytest.raises(exception.ConfigError, match=rf"^{path} \[cluster c\] SPOT_BID: a number is expected"):
        config.template("d")


# -- where it is read from


def test_the_option_beats_the_variable_which_beats_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(name: str) -> str:
        (tmp_path / name).write_text(f"[global]\nWEB_BROWSER = {name}\n")
        return str(tmp_path / name)

    made("config")
    monkeypatch.setenv("STARCLUSTER_HOME", str(tmp_path))
    monkeypatch.delenv("STARCLUSTER_CONFIG", raising=False)
    assert load().globals.web_browser == "config"
    monkeypatch.setenv("STARCLUSTER_CONFIG", made("variable"))
    assert load().globals.web_browser == "variable"
    assert load(made("option")).globals.web_browser == "option"


def test_includes_are_relative_to_where_one_is_and_not_nested(
    path: Path, monkeypatch: pytest.MonkeyPatch, log_lines: list[str]
) -> None:
    monkeypatch.chdir(path.parent)
    (path.parent / "keys").write_text("[global]\nINCLUDE = nosuch\n" + KEY)
    (path.parent / "more").write_text("[cluster c]\nCLUSTER_SIZE = 5\n")
    config = read(path, CLUSTER + "[global]\nINCLUDE = keys, more\n")
    assert config.template("c").cluster_size == 5
    assert f"keys [global]: INCLUDE is read in {path} only" in log_lines
    with pytest.raises(exception.ConfigError, match=rf"{path} \[global\] INCLUDE: config missing"):
        read(path, "[global]\nINCLUDE = keys, missing\n")


def test_only_the_main_file_includes(path: Path, tmp_path: Path) -> None:
    (tmp_path / "more").write_text(KEY)
    config = read(path, f"[cluster c]\nINCLUDE = {tmp_path}/more\n")
    assert config.keys == {}


# -- [aws info] and the environment


def test_every_setting_of_aws_info_may_come_from_the_environment(
    path: Path, monkeypatch: pytest.MonkeyPatch, log_lines: list[str]
) -> None:
    monkeypatch.setenv("aws_region_name", "eu-west-1")
    monkeypatch.setenv("AWS_IS_SECURE", "no")
    monkeypatch.setenv("aws_is_secure", "yes")
    config = read(path, "[aws info]\nAWS_REGION_NAME = us-west-2\n")
    assert (config.aws.aws_region_name, config.aws.aws_is_secure) == ("eu-west-1", False)
    assert log_lines == ["Setting 'AWS_IS_SECURE' from environment", "Setting 'AWS_REGION_NAME' from environment"]


def test_an_empty_variable_is_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "")
    assert read(path, "[aws info]\nAWS_PROFILE = work\n").aws.aws_profile == "work"


def test_a_wrong_variable_is_told_as_the_environments(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PORT", "http")
    with pytest.raises(exception.ConfigError, match=r"environment \[aws info\] AWS_PORT: an integer is expected"):
        read(path, "")


def test_an_empty_config_and_keys_in_the_environment_will_do(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "t")
    aws = read(path, "").aws
    assert (aws.aws_access_key_id, aws.aws_secret_access_key, aws.aws_session_token) == ("a", "s", "t")


# -- what StarCluster passed over in silence


@pytest.mark.parametrize(
    ("title", "meant"),
    [
        ("cluter c", "cluster c"),
        ("Cluster c", "cluster c"),
        ("plug p", "plugin p"),
        ("pluggin p", "plugin p"),
        ("AWS Info", "aws info"),
        ("aws", ""),
        ("globals", "global"),
        ("permision web", "permission web"),
        ("my own notes", ""),
    ],
)
def test_a_section_that_looks_like_one_of_ours(path: Path, log_lines: list[str], title: str, meant: str) -> None:
    read(path, f"[{title}]\nA = 1\n")
    assert log_lines == ([f"{path}: unknown section [{title}], did you mean [{meant}]?"] if meant else [])


def test_an_unknown_setting_is_told_once_though_it_is_inherited(path: Path, log_lines: list[str]) -> None:
    read(path, KEY + CLUSTER + "CLUSTER_SIZ = 3\n[cluster d]\nEXTENDS = c\n[cluster e]\nEXTENDS = c\n")
    assert log_lines == [f"{path} [cluster c]: unknown setting CLUSTER_SIZ, did you mean CLUSTER_SIZE?"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[global]\nDNS_PREFIX = True\n", "[global]: unknown setting DNS_PREFIX: it belongs into [cluster ...]"),
        (
            KEY + CLUSTER + "AWS_REGION_NAME = us-west-2\n",
            "[cluster c]: unknown setting AWS_REGION_NAME: it belongs into [aws info]",
        ),
        (KEY + CLUSTER + "DEVICE = /dev/sdf\n", "[cluster c]: unknown setting DEVICE: it belongs into [volume ...]"),
        (
            "[key k]\nKEY_LOCATION = /k\n  [cluster mine]\n  KEYNAME = k\n",
            "[key k] KEY_LOCATION: the line [cluster mine] begins with white space, so it goes on with this setting:"
            " a section begins at the line's first place",
        ),
        ("[plugin p]\nSETUP_CLASS = a.B\ntext = one\n  [not ours]\n  [1, 2]\n", ""),
    ],
)
def test_what_stands_in_the_wrong_place(path: Path, log_lines: list[str], text: str, told: str) -> None:
    read(path, text)
    assert log_lines == ([f"{path} {told}"] if told else [])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("AWS_REGION_NAME = us-east-1c", "AWS_REGION_NAME: us-east-1c is a zone: its region is us-east-1"),
        (
            "AWS_ACCESS_KEY_ID = <put yours here>",
            "AWS_ACCESS_KEY_ID: '<put yours here>' is not the id of an access key",
        ),
        ('AWS_ACCESS_KEY_ID = "AKIA"\nAWS_REGION_HOST = ec2.us-west-2.amazonaws.com', "is not the id of an access key"),
        ("AWS_ACCESS_KEY_ID = me@example.org\nAWS_REGION_HOST = cloud.example.org", ""),
        ("AWS_ACCESS_KEY_ID = AKIA\nAWS_REGION_NAME = ap-southeast-2", ""),
    ],
)
def test_what_was_never_filled_in(path: Path, text: str, what: str) -> None:
    whole = f"[aws info]\nAWS_SECRET_ACCESS_KEY = x\n{text}\n"
    if not what:
        assert read(path, whole).aws.aws_access_key_id
        return
    with pytest.raises(exception.ConfigSettingError) as caught:
        read(path, whole if "KEY_ID" in text else f"{whole}AWS_ACCESS_KEY_ID = AKIA\n")
    assert what in str(caught.value)


def test_all_that_is_wrong_is_known(path: Path) -> None:
    text = CLUSTER.replace("= 2", "= two") + "SPOT_BID = low\nPLUGINS = p, q\n[plugin q]\nx = 1\n"
    assert [(one.section, one.setting) for one in read(path, text).faults] == [
        ("plugin q", "SETUP_CLASS"),
        ("cluster c", "CLUSTER_SIZE"),
        ("cluster c", "SPOT_BID"),
        ("cluster c", "PLUGINS"),
        ("cluster c", "KEYNAME"),
    ]


# -- secrets


def test_a_secret_that_others_can_read_is_told_with_the_chmod(path: Path, log_lines: list[str]) -> None:
    text = "[aws info]\nAWS_ACCESS_KEY_ID = a\nAWS_SECRET_ACCESS_KEY = s\n"
    read(path, text)
    assert log_lines == []
    path.chmod(0o640)
    load(str(path), cloud="aws")
    assert log_lines == [f"{path} holds AWS_SECRET_ACCESS_KEY and can be read by others: chmod 600 {path}"]


def test_the_secret_of_an_included_file_is_that_files(path: Path, log_lines: list[str]) -> None:
    more = path.with_name("more")
    more.write_text("[plugin p]\nSETUP_CLASS = a.B\nNOTEBOOK_PASSWD = s\n")
    more.chmod(0o644)
    read(path, f"[global]\nINCLUDE = {more}\n")
    assert log_lines == [f"{more} holds NOTEBOOK_PASSWD and can be read by others: chmod 600 {more}"]


@pytest.mark.parametrize("text", ["[key k]\nKEY_LOCATION = /k\n", "[aws info]\nEC2_PRIVATE_KEY = /k\n", ""])
def test_where_a_secret_lies_is_none(path: Path, log_lines: list[str], text: str) -> None:
    path.write_text(text)
    path.chmod(0o644)
    load(str(path), cloud="local")
    assert log_lines == []


# -- SSH_CIDR and SSH_PROXY


def globals_of(path: Path, text: str) -> Config:
    return read(path, f"[global]\n{text}\n")


def test_who_may_ssh(path: Path) -> None:
    config = globals_of(path, "SSH_CIDR = 203.0.113.7, 198.51.100.0/24, AUTO")
    assert config.globals.ssh_cidr == ("203.0.113.7/32", "198.51.100.0/24", "auto")


@pytest.mark.parametrize("text", ["here", "203.0.113.0/33", "2001:db8::/32", "1.2.3", "203.0.113.7/24x"])
def test_what_is_no_address_range(path: Path, text: str) -> None:
    with pytest.raises(exception.ConfigError, match=r"\[global\] SSH_CIDR: a list of address ranges"):
        globals_of(path, f"SSH_CIDR = {text}")


@pytest.mark.parametrize("text", ["me@gate.example.org:2222", "gate", "203.0.113.7", "SSM"])
def test_a_proxy(path: Path, text: str) -> None:
    assert globals_of(path, f"SSH_PROXY = {text}").globals.ssh_proxy in (text, "ssm")


@pytest.mark.parametrize("text", ["-oProxyCommand=x", "me@", "gate:0", "gate:70000", "a b", "me@-gate", "gate;true"])
def test_what_is_no_proxy(path: Path, text: str) -> None:
    with pytest.raises(exception.ConfigError, match=r"\[global\] SSH_PROXY: \[user@\]host\[:port\] or ssm is expected"):
        globals_of(path, f"SSH_PROXY = {text}")
