"""createkey, removekey, removevolume: what is asked, written and refused."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from starcluster import exception
from starcluster.cluster.volumehosts import HostWish, plan_host
from starcluster.cluster.volumes import VolumeWish
from starcluster.ssh.keys import generate_pem
from tests.fakes.ec2 import FakeEc2, fake_error
from tests.unit.commands.conftest import Run


def test_createkey_writes_the_private_key_for_its_owner_only(run: Run, ec2: FakeEc2, tmp_path: Path) -> None:
    path = tmp_path / "mykey.pem"
    assert run("createkey", "mykey", "-o", str(path)).code == 0
    assert path.stat().st_mode & 0o777 == 0o400
    assert "BEGIN FAKE KEY" in path.read_text()
    assert ec2.network.key_pair("mykey") is not None


def test_createkey_overwrites_nothing_and_asks_ec2_for_nothing(run: Run, ec2: FakeEc2, tmp_path: Path) -> None:
    path = tmp_path / "mykey.pem"
    path.write_text("precious")
    result = run("createkey", "mykey", "-o", str(path))
    assert result.code == 1
    assert "is not overwritten" in result.said
    assert path.read_text() == "precious"
    assert ec2.network.key_pair("mykey") is None


def test_createkey_leaves_no_file_when_ec2_refuses(run: Run, ec2: FakeEc2, tmp_path: Path) -> None:
    ec2.fail_next("network.create_key", fake_error("InvalidKeyPair.Duplicate"))
    assert run("createkey", "mykey", "-o", str(tmp_path / "mykey.pem")).code == 1
    assert list(tmp_path.iterdir()) == []


def test_createkey_imports_a_public_key(run: Run, ec2: FakeEc2, tmp_path: Path) -> None:
    (tmp_path / "id.pub").write_text("ssh-ed25519 AAAA me")
    assert run("createkey", "mine", "-i", str(tmp_path / "id.pub")).code == 0
    pair = ec2.network.key_pair("mine")
    assert pair is not None
    assert pair.public_key == "ssh-ed25519 AAAA me"


def test_createkey_imports_of_a_private_key_the_public_half_only(run: Run, ec2: FakeEc2, tmp_path: Path) -> None:
    private, public = generate_pem()
    path = tmp_path / "id"
    path.write_text(private)
    path.chmod(0o600)
    assert run("createkey", "mine", "-i", str(path)).code == 0
    pair = ec2.network.key_pair("mine")
    assert pair is not None
    assert pair.public_key == public
    path.chmod(0o644)
    assert f"chmod 600 {path}" in run("createkey", "other", "-i", str(path)).said
    path.write_text("-----BEGIN OPENSSH PRIVATE KEY-----")
    path.chmod(0o600)
    assert f"{path} is not a private key" in run("createkey", "other", "-i", str(path)).said
    assert ec2.network.key_pair("other") is None


def test_createkey_says_that_an_import_writes_no_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "id.pub").write_text("ssh-ed25519 AAAA me")
    done = run("createkey", "mine", "-i", str(tmp_path / "id.pub"), "-o", str(tmp_path / "mine.pem"))
    assert done.code == 0
    assert f"-o {tmp_path}/mine.pem is not written" in done.out
    assert not (tmp_path / "mine.pem").exists()


@pytest.mark.parametrize(("answer", "gone"), [("y\n", True), ("yes\n", True), ("n\n", False), ("ja\n", False)])
def test_removekey_asks(run: Run, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch, answer: str, gone: bool) -> None:
    ec2.network.import_key("mykey", "ssh-ed25519 AAAA")
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert run("removekey", "mykey").code == 0
    assert (ec2.network.key_pair("mykey") is None) is gone


def test_the_local_clouds_own_key_pair_stays(run: Run, ec2: FakeEc2) -> None:
    ec2.network.import_key("local", "ssh-ed25519 AAAA")
    result = run("removekey", "-c", "local")
    assert (result.code, "the local cloud's own" in result.said) == (1, True)
    assert ec2.network.key_pair("local") is not None


def test_a_question_that_nobody_answers_is_an_error(run: Run, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch) -> None:
    ec2.network.import_key("mykey", "ssh-ed25519 AAAA")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    result = run("removekey", "mykey")
    assert result.code == 1
    assert "--confirm" in result.said
    assert ec2.network.key_pair("mykey") is not None


@pytest.mark.parametrize("word", ["-c", "--confirm", "--yes", "--ye"])
def test_who_says_yes_beforehand_is_not_asked(run: Run, ec2: FakeEc2, word: str) -> None:
    ec2.network.import_key("mykey", "ssh-ed25519 AAAA")
    assert run("removekey", word, "mykey").out == ">>> Removed key pair: mykey\n"


def test_removekey_of_an_unknown_key(run: Run) -> None:
    result = run("removekey", "-c", "nokey")
    assert (result.code, "key pair 'nokey' does not exist" in result.said) == (1, True)


def test_removevolume_by_name(run: Run, ec2: FakeEc2) -> None:
    ec2.volumes.create(1, "us-east-1a", tags={"Name": "home"})
    assert run("removevolume", "--conf", "home").code == 0
    assert ec2.volumes.all == {}


def test_removevolume_says_whose_drive_it_is_before_it_asks(
    run: Run, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    ec2.volumes.create(1, "us-east-1a", tags={"Name": "data-1", "@sc-drive": "data"})
    result = run("removevolume", "data-1")
    assert "is of the drive data: what none of its snapshots has is lost with it" in result.out
    assert len(ec2.volumes.all) == 1
    ec2.volumes.create(1, "us-east-1a", tags={"Name": "home"})
    assert "drive" not in run("removevolume", "-c", "home").out


def test_removevolume_deletes_none_when_one_of_them_does_not_exist(run: Run, ec2: FakeEc2) -> None:
    ec2.volumes.create(1, "us-east-1a", tags={"Name": "home"})
    result = run("removevolume", "-c", "home", "nosuch")
    assert result.code == 1
    assert "'nosuch' does not exist" in result.said
    assert len(ec2.volumes.all) == 1


def test_the_helpers_type_is_checked_in_the_zone_before_a_volume_is_made(
    ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch
) -> None:
    clusters = SimpleNamespace(ec2=ec2)
    monkeypatch.setattr(ec2.instances, "offered_zones", lambda name: {"us-east-1b"})
    with pytest.raises(exception.InvalidZone, match=r"t3\.micro is not offered in us-east-1a") as caught:
        plan_host(clusters, HostWish(keyname="k", image="ami-1"), "us-east-1a")  # type: ignore[arg-type]
    assert caught.value.hint.endswith("offered in: us-east-1b")


@pytest.mark.parametrize(("words", "warned"), [(["-t", "gp3"], True), (["-t", "gp3", "--type", "io2"], False)])
def test_a_tag_that_was_meant_for_the_type_is_told(
    run: Run, tmp_path: Path, words: list[str], warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Mapping[str, str]] = []

    def create(clusters: object, wish: VolumeWish) -> SimpleNamespace:
        made.append(wish.tags)
        return SimpleNamespace(id="vol-1")

    monkeypatch.setattr("starcluster.cluster.volumes.create_volume", create)
    (tmp_path / "config").write_text("[global]\nCLOUD = local\n[key local]\n")
    result = run("-c", str(tmp_path / "config"), "createvolume", *words, "1", "us-east-1a")
    assert (made, "--type gp3" in result.out) == ([{"gp3": ""}], warned)


def test_an_interrupted_createvolume_says_that_it_cleaned_up(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("starcluster.cluster.volumes.create_volume", interrupted)
    (tmp_path / "config").write_text("[global]\nCLOUD = local\n[key local]\n")
    result = run("-c", str(tmp_path / "config"), "createvolume", "1", "us-east-1a")
    assert (result.code, "may be left" in result.said) == (1, False)
    assert "volume and helper were removed" in result.said
