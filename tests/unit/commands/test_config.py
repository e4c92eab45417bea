"""`config check`: what a template means, where each setting stands, every problem, and no cloud."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from starcluster import app
from starcluster.config import files
from starcluster.policy import document
from tests.unit.commands.conftest import Run
from tests.unit.config.test_load import CLUSTER, KEY

PLUGIN = "[plugin {name}]\nSETUP_CLASS = starcluster.plugins.{kind}\n"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STARCLUSTER_LOCAL", str(tmp_path / "local"))
    return tmp_path / "config"


@pytest.fixture
def key(tmp_path: Path) -> str:
    from starcluster.ssh import keys

    (tmp_path / "k").write_text(keys.generate_pem()[0])
    (tmp_path / "k").chmod(0o600)
    return f"[key k]\nKEY_LOCATION = {tmp_path}/k\n"


def checked(run: Run, path: Path, text: str, *words: str, code: int) -> dict[str, Any]:
    path.touch(mode=0o600)
    path.write_text(text)
    result = run("-c", str(path), "config", "check", "--json", *words)
    assert result.code == code, result.out
    found: dict[str, Any] = json.loads(result.out)
    assert found["ok"] is (code == 0)
    return found


def setting(found: dict[str, Any], template: str, name: str) -> tuple[str, str, str]:
    [one] = [one for one in found["templates"] if one["name"] == template]
    [row] = [row for row in one["settings"] if row["name"] == name]
    return row["value"], row["file"], row["section"]


def actions(found: dict[str, Any], template: str) -> set[str]:
    [one] = [one for one in found["templates"] if one["name"] == template]
    return {need["action"] for need in one["needs"]}


def problems(found: dict[str, Any]) -> list[str]:
    return [one["message"] for one in found["problems"]]


def test_every_setting_tells_where_it_stands(run: Run, path: Path, key: str, tmp_path: Path) -> None:
    (tmp_path / "more").write_text("[cluster d]\nEXTENDS = c\nCLUSTER_SIZE = 5\n")
    text = f"[global]\nINCLUDE = {tmp_path}/more\n[DEFAULT]\nCLUSTER_USER = me\n" + key + CLUSTER
    found = checked(run, path, text, code=0)
    assert setting(found, "d", "CLUSTER_SIZE") == ("5", f"{tmp_path}/more", "cluster d")
    assert setting(found, "d", "NODE_IMAGE_ID") == ("ubuntu-24.04", str(path), "cluster c")
    assert setting(found, "d", "CLUSTER_USER") == ("me", str(path), "DEFAULT")
    assert setting(found, "d", "CLUSTER_SHELL") == ("bash", "", "")
    assert [one["extends"] for one in found["templates"]] == [[], ["cluster c"]]


def test_all_settings_are_shown(run: Run, path: Path, key: str) -> None:
    from starcluster.config.schema import ClusterTemplate
    from starcluster.config.sections import specs

    found = checked(run, path, key + CLUSTER, code=0)
    shown = {row["name"] for row in found["templates"][0]["settings"]}
    assert shown == {name.upper() for name in specs(ClusterTemplate)}


def test_every_problem_is_found_and_not_only_the_first(run: Run, path: Path) -> None:
    text = "[global]\nDEFAULT_TEMPLATE = nix\nREFRESH_INTERVAL = often\n[aws info]\nAWS_ACCESS_KEY_ID = a\n"
    text += KEY.replace("~/k", "/no/such/key") + CLUSTER.replace("= 2", "= two")
    text += "PLUGINS = p, q, r\nROOT_VOLUME_SIZE = 999999\nCLUSTER_USER = root\nPERMISSIONS = all\nNODE_IMAGE = x\n"
    text += "USERDATA_SCRIPTS = /no/such/script, /nor/this\n"
    text += PLUGIN.format(name="p", kind="spotworker.Spot") + PLUGIN.format(name="q", kind="s3sync.S3Sync")
    text += "[permission all]\nFROM_PORT = 1\nTO_PORT = 70000\nCIDR_IP = 0.0.0.0/0\n[cluter x]\n"
    found = " | ".join(problems(checked(run, path, text, code=1)))
    for wanted in (
        "[global] REFRESH_INTERVAL: an integer is expected, not 'often'",
        "[global] DEFAULT_TEMPLATE: there is no section [cluster nix]",
        "[aws info] AWS_SECRET_ACCESS_KEY: is missing",
        "[cluster c] CLUSTER_SIZE: an integer is expected, not 'two'",
        "[cluster c] PLUGINS: there is no section [plugin r]",
        "[cluster c] ROOT_VOLUME_SIZE: volumes of kind gp3 have 1 to 65536 GB",
        "[cluster c] CLUSTER_USER: 'root' can not be",
        "[cluster c]: unknown setting NODE_IMAGE, did you mean NODE_IMAGE_ID?",
        "[cluster c] USERDATA_SCRIPTS: the user data script /no/such/script",
        "[cluster c] USERDATA_SCRIPTS: the user data script /nor/this",
        "unknown section [cluter x], did you mean [cluster x]?",
        "[key k] KEY_LOCATION: the key file /no/such/key does not exist",
        "[plugin p]: plugin 'p': starcluster.plugins.spotworker has no class Spot",
        "[plugin q]: ",
        "[permission all] FROM_PORT: ports go from 0 to 65535",
        "[permission all] CIDR_IP: opens SSH to the whole world",
    ):
        assert wanted in found
    assert found.count(str(path)) >= 15


def test_what_templates_share_is_told_once(run: Run, path: Path) -> None:
    text = KEY.replace("~/k", "/no/such/key") + CLUSTER + "[cluster d]\nEXTENDS = c\n"
    assert len(problems(checked(run, path, text, code=1))) == 1


def test_problems_come_first_and_what_templates_share_once(run: Run, path: Path) -> None:
    path.write_text(KEY.replace("~/k", "/no/such/key") + CLUSTER + "[cluster d]\nEXTENDS = c\nSPOT_BID = 1\n")
    every = run("-c", str(path), "config", "check").out
    assert every.index("problem 1: ") < every.index("[cluster c]\n")
    assert [every.count(word) for word in ("\n[key k]\n", "AWS permissions of who", "ec2:RunInstances ")] == [1, 1, 1]
    assert "ec2:DescribeSpotPriceHistory" in every
    assert "default\n" not in every
    assert "CLUSTER_SHELL          = bash          default\n" in run("-c", str(path), "config", "check", "c").out


def test_one_template_has_its_own_problems_only(run: Run, path: Path, key: str) -> None:
    text = key + CLUSTER + "[cluster d]\nEXTENDS = c\nCLUSTER_SIZE = x\n"
    assert problems(checked(run, path, text, "c", code=0)) == []
    assert len(problems(checked(run, path, text, "d", code=1))) == 1


def test_a_fault_is_told_where_it_is_written(run: Run, path: Path, key: str) -> None:
    more = path.with_name("more")
    more.write_text(CLUSTER + "CLUSTER_USER = root\nVOLUMES = v\n[volume v]\nVOLUME_ID = home\nMOUNT_PATH = data\n")
    text = f"[global]\nCLOUD = local\nINCLUDE = {more}\n" + key + "[cluster d]\nEXTENDS = c\n"
    found = problems(checked(run, path, text, "d", code=1))
    user = f"{more} [cluster c] CLUSTER_USER: 'root' can not be the cluster's user"
    volume = f"{more} [volume v] MOUNT_PATH: 'data' is not an absolute path below /"
    assert found == [user, volume]
    started = ("-c", str(path), "start", "-c", "d")
    assert run(*started, "tag").err == f"!!! ERROR - {user}\n"
    assert run(*started, "-u", "me", "tag").err == f"!!! ERROR - {volume}\n"
    told = run(*started, "-u", "ROOT", "tag").err
    assert told == "!!! ERROR - [cluster d] CLUSTER_USER: 'ROOT' can not be the cluster's user\n"


def test_a_template_that_is_not_there(run: Run, path: Path) -> None:
    path.write_text(KEY + CLUSTER)
    result = run("-c", str(path), "config", "check", "nix")
    assert result.code == 1
    assert "there is no section [cluster nix]" in result.err


def test_permissions_follow_from_the_settings(run: Run, path: Path, key: str) -> None:
    text = "[volume v]\nVOLUME_ID = home\nMOUNT_PATH = /home\n" + PLUGIN.format(name="w", kind="spotworker.SpotWorker")
    text += "NODES = a\n" + key + CLUSTER.replace("ubuntu-24.04", "ami-1")
    for name, line in {
        "names": "NODE_IMAGE_ID = ubuntu-24.04",
        "profile": "IAM_PROFILE = nodes",
        "close": "PLACEMENT_GROUP = True",
        "volumes": "VOLUMES = v",
        "bid": "SPOT_BID = 0.1",
        "wish": "PLUGINS = w",
    }.items():
        text += f"[cluster {name}]\nEXTENDS = c\n{line}\n"
    found = checked(run, path, text, code=0)
    plain = actions(found, "c")
    assert {"ec2:RunInstances", "ec2:CreateSecurityGroup", "ec2:TerminateInstances"} <= plain
    assert not {"iam:PassRole", "ssm:GetParameter", "ec2:AttachVolume", "ec2:CreateVolume"} & plain
    assert actions(found, "names") - plain == {"ssm:GetParameter"}
    assert actions(found, "profile") - plain == {"iam:PassRole"}
    assert actions(found, "close") - plain == {"ec2:CreatePlacementGroup", "ec2:DeletePlacementGroup"}
    assert {"ec2:AttachVolume", "ec2:DetachVolume"} <= actions(found, "volumes") - plain
    spot = {"iam:CreateServiceLinkedRole", "ec2:DescribeSpotPriceHistory"}
    assert actions(found, "bid") - plain == actions(found, "wish") - plain == spot


def test_what_nodes_need_of_s3(run: Run, path: Path, key: str) -> None:
    text = key + CLUSTER + "PLUGINS = s\n" + PLUGIN.format(name="s", kind="s3sync.S3Sync")
    found = checked(run, path, text + "BUCKET = my-bucket\nNODES = a\nPATH = /work\n", code=0)
    assert "s3:PutObject" in {need["action"] for need in found["templates"][0]["nodes_need"]}


def test_secrets_are_not_shown(run: Run, path: Path, key: str) -> None:
    text = "[aws info]\nAWS_ACCESS_KEY_ID = AKIA1\nAWS_SECRET_ACCESS_KEY = sesame\n" + key + CLUSTER
    path.touch(mode=0o600)
    path.write_text(text)
    for words in (["config", "check"], ["config", "check", "--json"]):
        result = run("-c", str(path), *words)
        assert result.code == 0
        assert "AKIA1" in result.out
        assert "sesame" not in result.out + result.err


def test_the_example_is_right_and_no_cloud_is_started(run: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "App", app.App)
    for door in ("cloud", "ec2", "clusters"):
        monkeypatch.setattr(app.App, door, property(lambda _: pytest.fail("a cloud was asked")), raising=True)
    result = run("-c", str(files.example()), "config", "check")
    assert (result.code, result.err) == (0, "")
    assert "NODE_INSTANCE_TYPE = t3.micro" in result.out
    assert result.out.rstrip().endswith("Problems: 0")
    assert "AWS permissions" not in result.out
    assert not (path.parent / "local").exists()


def test_an_old_plugin_is_a_note_and_no_problem(
    run: Run, path: Path, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STARCLUSTER_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "plugins").mkdir()
    old = tmp_path / "plugins" / "noted_old.py"
    old.write_text("from starcluster.clustersetup import ClusterSetup\nHALF = 1 <> 2\nclass Old(ClusterSetup): pass\n")
    text = key + CLUSTER + "PLUGINS = o\n[plugin o]\nSETUP_CLASS = noted_old.Old\n"
    for _ in range(2):
        found = checked(run, path, text, code=0)
        assert (found["problems"], [str(old) in note for note in found["notes"]]) == ([], [True])
        del sys.modules["noted_old"]


def test_a_file_that_can_not_be_read_names_all_its_bad_lines(run: Run, path: Path) -> None:
    path.write_text("[global]\nnonsense\nA = 1\nmore nonsense\n")
    result = run("-c", str(path), "config", "check")
    assert result.code == 1
    assert "line 2: 'nonsense' is no setting" in result.err
    assert "line 4: 'more nonsense" in result.err


def test_the_policy_is_printed_whole_or_for_a_feature(run: Run) -> None:
    whole = run("config", "policy")
    assert json.loads(whole.out) == document()
    some = run("config", "policy", "--feature", "keys", "--partition", "aws-cn")
    assert json.loads(some.out) == document(["keys"], partition="aws-cn")
    assert "arn:aws-cn:ec2:*:*:key-pair/*" in some.out
    assert "ec2:RunInstances" not in some.out
    assert "keys" in run("config", "policy", "--features").out
    wrong = run("config", "policy", "--feature", "keyz")
    assert (wrong.code, "there is no feature 'keyz'" in wrong.err) == (2, True)


def test_the_session_manager_needs_a_role_and_its_permission(run: Run, path: Path, key: str) -> None:
    text = "[global]\nSSH_PROXY = ssm\n" + key + CLUSTER
    found = checked(run, path, text, code=1)
    assert "[cluster c] IAM_PROFILE: is missing" in problems(found)[0]
    found = checked(run, path, text + "IAM_PROFILE = nodes\n", code=0)
    assert "ssm:StartSession" in actions(found, "c")


def test_a_secret_in_user_data_is_a_problem(run: Run, path: Path, key: str, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\nkey=AKIAIOSFODNN7EXAMPLE\n")
    found = checked(run, path, key + CLUSTER + f"USERDATA_SCRIPTS = {tmp_path}/script\n", code=1)
    assert "seems to hold a secret" in problems(found)[0]
