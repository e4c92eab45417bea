"""Entries for plain ssh: which names, which instance, and that they follow."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from starcluster.cluster import record, sshentries
from starcluster.model import Instance, InstanceState
from starcluster.ssh.access import Access
from starcluster.ssh.hostkeys import HostKey, KnownHosts
from starcluster.ssh.userconfig import UserConfig


def instance(alias: str, number: int, *, state: str = "running", ready: bool = True) -> Instance:
    return Instance(
        id=f"i-{number}",
        state=InstanceState(state),
        public_dns=f"ec2-{number}.example",
        launched=datetime(2026, 1, number, tzinfo=UTC),
        tags={"alias": alias, **({record.READY: "yes"} if ready else {})},
    )


@pytest.fixture
def access(tmp_path: Path) -> Access:
    known = KnownHosts(tmp_path / "known hosts")
    known.add("i-1", [HostKey(kind="ssh-ed25519", blob="AAAA")])
    return Access(key_file=Path("/keys/my key"), known=known)


@pytest.fixture
def cluster(access: Access, tmp_path: Path) -> Any:
    cloud = SimpleNamespace(name="aws", region="us-east-1", folder=None, profile=None)
    return SimpleNamespace(tag="demo", cloud=cloud, lazy_access=lambda: access)


def test_an_entry_does_what_our_own_login_does(access: Access) -> None:
    text = sshentries.entries("demo", [instance("master", 1)], access)
    lines = text.splitlines()
    assert lines[0] == "Host demo demo-master"
    for wanted in (
        "HostName ec2-1.example", "User root", 'IdentityFile "/keys/my key"', "HostKeyAlias i-1",
        f'UserKnownHostsFile "{access.known.path}"', "StrictHostKeyChecking yes",
    ):  # fmt: skip
        assert f"    {wanted}" in lines
    assert "StrictHostKeyChecking accept-new" in sshentries.entries("demo", [instance("n", 2)], access)


@pytest.mark.parametrize(
    ("alias", "names"),
    [
        ("master", ["demo", "demo-master"]),
        ("demo-master", ["demo", "demo-master"]),
        ("node001", ["demo-node001"]),
        ("VD2D", ["demo-VD2D", "demo-vd2d"]),
    ],
)
def test_names(alias: str, names: list[str]) -> None:
    assert sshentries.hosts("demo", alias) == names


def test_a_name_means_the_instance_that_is_set_up_else_the_newest() -> None:
    old, new = instance("mynode", 1), instance("mynode", 2, ready=False)
    assert [one.id for one in sshentries.bearers([new, old])] == ["i-1"]
    ended = instance("mynode", 1, state="shutting-down")
    assert [one.id for one in sshentries.bearers([ended, new])] == ["i-2"]
    others = [instance("a", 3), instance("master", 4), instance("x", 5, state="stopped")]
    assert [one.id for one in sshentries.bearers(others)] == ["i-4", "i-3"]


def test_entries_follow_only_where_there_is_a_file(cluster: Any, tmp_path: Path) -> None:
    config = UserConfig(folder=tmp_path / ".ssh")
    sshentries.follow(cluster, [instance("mynode", 1)], config)
    assert not config.path.exists()
    config.change(lambda before: {("local /x", "demo"): "Host other\n"})
    sshentries.follow(cluster, [instance("mynode", 1)], config)
    assert "ec2-1.example" in config.blocks()["aws us-east-1", "demo"]
    sshentries.follow(cluster, [instance("mynode", 2)], config)
    assert "ec2-1.example" not in config.path.read_text()
    sshentries.forget(cluster, config)
    assert list(config.blocks()) == [("local /x", "demo")]
