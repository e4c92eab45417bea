"""A copy's login may begin before EC2 has answered, and only EC2 decides whether it is used."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster import transfer
from starcluster.cluster.headstart import Headstart, headstart

# in the place of the ssh program: the node is this machine
SSH = """#!/bin/sh
echo "$1" >> "$(dirname "$0")/calls"
[ "$1" = lost ] && { echo "no route" >&2; exit 255; }
shift
exec sh -c "$1"
"""


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STARCLUSTER_HOME", str(tmp_path / "own"))
    program = tmp_path / "ssh"
    program.write_text(SSH)
    program.chmod(0o755)
    monkeypatch.setattr(transfer.login, "ssh_program", lambda: str(program))
    return program


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    there = tmp_path / "there"
    there.mkdir()
    (tmp_path / "file").write_text("1")
    return tmp_path / "file", there


def node_at(ssh: Path, address: str) -> Any:
    def login_argv(*, command: str, **_: object) -> list[str]:
        return [str(ssh), address, command]

    return SimpleNamespace(alias="master", login_argv=login_argv)


def calls(ssh: Path) -> list[str]:
    path = ssh.with_name("calls")
    return path.read_text().split() if path.exists() else []


def put(ssh: Path, address: str, files: tuple[Path, Path], *, found: str = "") -> list[str]:
    """Copy with a headstart while EC2 tells that address; the ssh calls."""
    before = len(calls(ssh))
    with headstart("c", "master") as begun:
        for _ in range(1000):  # until what began is really there
            if begun._link is None or len(calls(ssh)) > before:
                break
            os.sched_yield()
        copied = transfer.put(node_at(ssh, found or address), [str(files[0])], str(files[1]), begun=begun)
    assert copied is not None
    assert copied.files + copied.kept == 1
    return calls(ssh)[before:]


def test_the_second_copy_begins_before_ec2_has_answered(ssh: Path, files: tuple[Path, Path]) -> None:
    assert put(ssh, "10.0.0.1", files) == ["10.0.0.1"]
    with headstart("c", "master") as begun:
        assert begun._link is not None
        process = begun._link.process
        asked = calls(ssh)
        copied = transfer.put(node_at(ssh, "10.0.0.1"), [str(files[0])], str(files[1]), begun=begun)
    assert copied is not None
    assert (copied.kept, process.poll() is None) == (1, False)
    assert calls(ssh)[: len(asked)] == asked
    assert calls(ssh) == ["10.0.0.1"] * 2


def test_where_ec2_tells_another_address_that_one_is_used(ssh: Path, files: tuple[Path, Path]) -> None:
    put(ssh, "10.0.0.1", files)
    (files[1] / "file").unlink()
    assert put(ssh, "10.0.0.2", files) == ["10.0.0.1", "10.0.0.2"]
    assert (files[1] / "file").read_text() == "1"
    assert put(ssh, "10.0.0.2", files) == ["10.0.0.2"], "the newest words are remembered"


def test_a_login_that_fails_before_ec2_has_answered_is_made_anew(
    ssh: Path, files: tuple[Path, Path], tmp_path: Path
) -> None:
    put(ssh, "10.0.0.1", files)
    known = tmp_path / "own" / "cache" / "logins.json"
    ((name, words),) = json.loads(known.read_text()).items()
    ssh.write_text(SSH.replace('"$1" = lost', '! -e "$(dirname "$0")/open"'))
    with headstart("c", "master") as begun:
        assert begun._link is not None
        begun._link.process.wait(10)
        (tmp_path / "open").touch()
        assert transfer.put(node_at(ssh, "10.0.0.1"), [str(files[0])], str(files[1]), begun=begun)
    (tmp_path / "open").unlink()
    with headstart("c", "master") as begun, pytest.raises(exception.SSHConnectionError, match="no route"):
        transfer.put(node_at(ssh, "10.0.0.1"), [str(files[0])], str(files[1]), begun=begun)
    assert (name, words[1]) == ('["c", "master"]', "10.0.0.1")


def test_nobody_who_took_it_leaves_no_process(ssh: Path, files: tuple[Path, Path]) -> None:
    put(ssh, "10.0.0.1", files)
    seen = []

    def refused() -> None:
        with headstart("c", "master") as begun:
            seen.append(begun._link)
            raise exception.ClusterDoesNotExist("c")

    with pytest.raises(exception.ClusterDoesNotExist):
        refused()
    assert seen[0] is not None
    assert seen[0].process.poll() is not None


def test_another_name_knows_nothing_of_it(ssh: Path, files: tuple[Path, Path]) -> None:
    put(ssh, "10.0.0.1", files)
    with headstart("c", "node001") as begun:
        assert begun._link is None


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", *(json.dumps({'["c", "master"]': words}) for words in (5, ["/none"]))],
)
def test_a_broken_memory_is_none(ssh: Path, files: tuple[Path, Path], tmp_path: Path, text: str) -> None:
    known = tmp_path / "own" / "cache" / "logins.json"
    known.parent.mkdir(parents=True)
    known.write_text(text)
    assert put(ssh, "10.0.0.1", files) == ["10.0.0.1"]
    assert put(ssh, "10.0.0.1", files) == ["10.0.0.1"]


def test_the_memory_has_an_end_and_is_the_users_alone(ssh: Path, tmp_path: Path) -> None:
    for number in range(60):
        Headstart([f"c{number}"]).remember([str(ssh), "10.0.0.1"])
    known = tmp_path / "own" / "cache" / "logins.json"
    assert [*json.loads(known.read_text())] == [json.dumps([f"c{number}"]) for number in range(10, 60)]
    assert stat.S_IMODE(known.stat().st_mode) == 0o600
