"""The end of a node, as far as a process that is no pid 1 may be asked about it."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from starcluster.localcloud.hosts import sshd_stop
from starcluster.localcloud.hosts.sshd_children import Reaper


def test_outside_a_node_nobody_is_killed() -> None:
    assert os.getpid() != 1
    closed: list[int] = []
    with subprocess.Popen(["sleep", "30"]) as bystander:
        asyncio.run(sshd_stop.stop_everybody(Reaper(), lambda: closed.append(1)))
        assert bystander.poll() is None
        bystander.kill()
    assert closed == [1]


def test_outside_a_node_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    sshd_stop.hold_signals()
    assert signal.getsignal(signal.SIGTERM) is before


def test_disks_that_are_written_to_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a place"
    place.mkdir()
    escaped = str(place).replace(" ", "\\040")
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"overlay / overlay rw,relatime 0 0\nx {escaped} ext4 rw 0 0\nx /usr ext4 ro,relatime 0 0\n"
        f"proc /proc proc rw 0 0\nx {tmp_path}/gone xfs rw 0 0\n"
    )
    synced: list[str] = []

    class Library:
        def syncfs(self, fd: int) -> None:
            synced.append(os.readlink(f"/proc/self/fd/{fd}"))

    monkeypatch.setattr(sshd_stop, "_libc", Library())
    sshd_stop.sync_disks(mounts)
    assert synced == ["/", str(place)]
