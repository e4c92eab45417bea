"""/etc/hosts is replaced in one step: who looks a name up meanwhile finds the old file or the new one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from starcluster.cluster.hosts import Hosts

BEFORE = "127.0.0.1 localhost\n172.31.0.5 node001\n172.31.0.6 node002\n"
AFTER = "127.0.0.1 localhost\n172.31.0.6 node002\n172.31.0.9 node001\n"


class Bash:
    """SSH to a node whose /etc is a folder of the test."""

    def __init__(self, etc: Path, path: str) -> None:
        self.etc, self.path = etc, path

    def script(self, text: str, *, what: str) -> list[str]:
        text = text.replace("/run/lock", str(self.etc)).replace("/etc/hosts", f"{self.etc}/hosts")
        words = ["bash", "-eu", "-c", text]
        return subprocess.run(
            words, env={"PATH": self.path}, check=True, capture_output=True, text=True
        ).stdout.splitlines()


class Machine(Hosts):
    def __init__(self, etc: Path, path: str = "/usr/bin:/bin") -> None:
        self._ssh = Bash(etc, path)

    @property
    def ssh(self) -> Bash:  # type: ignore[override]
        return self._ssh

    @property
    def alias(self) -> str:
        return "node001"

    @property
    def private_ip_address(self) -> str:
        return "172.31.0.9"


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "hosts").write_text(BEFORE)
    (tmp_path / "hosts").chmod(0o640)
    return tmp_path


def test_it_is_another_file_of_the_same_mode(etc: Path) -> None:
    with (etc / "hosts").open() as reader:
        machine = Machine(etc)
        machine.add_to_etc_hosts([machine])
        assert reader.read() == BEFORE, "who has it open reads it to its end"
    assert (etc / "hosts").read_text() == AFTER
    assert oct((etc / "hosts").stat().st_mode)[-3:] == "640"
    assert not (etc / "hosts.starcluster").exists()


def test_what_is_right_already_stays(etc: Path) -> None:
    (etc / "hosts").write_text(AFTER)
    before = (etc / "hosts").stat().st_ino
    machine = Machine(etc)
    machine.add_to_etc_hosts([machine])
    assert ((etc / "hosts").stat().st_ino, (etc / "hosts").read_text()) == (before, AFTER)


def test_a_link_stays_a_link(etc: Path) -> None:
    os.rename(etc / "hosts", etc / "elsewhere")
    os.symlink(etc / "elsewhere", etc / "hosts")
    machine = Machine(etc)
    machine.add_to_etc_hosts([machine])
    assert (etc / "hosts").is_symlink()
    assert (etc / "elsewhere").read_text() == AFTER


def test_where_it_is_a_mount_it_is_written_in_place(etc: Path) -> None:
    """As in a container: it can not be renamed over."""
    (etc / "mv").write_text("#!/bin/sh\necho 'Device or resource busy' >&2; exit 1\n")
    (etc / "mv").chmod(0o755)
    machine = Machine(etc, f"{etc}:/usr/bin:/bin")
    machine.add_to_etc_hosts([machine])
    assert (etc / "hosts").read_text() == AFTER
    assert not (etc / "hosts.starcluster").exists()
