"""Leaving the master's shares before a reboot: the script in a real bash, with fstab, mounts and umount of our own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from starcluster.cluster import shares

FSTAB = """# master:/old /old nfs rw 0 0
/dev/sda1 / ext4 defaults 0 1
master:/home /home nfs rw,exec,noauto 0 0
master:/home/data /home/data nfs rw,exec,noauto 0 0
master:/apart /apart nfs rw,exec,noauto 0 0
"""
UMOUNT = """#!/bin/bash
grep -qx "$1" {folder}/busy && exit 32
grep -q " $1/" {folder}/mounts && exit 32
sed -i "\\, $1 ,d" {folder}/mounts
"""


@pytest.mark.parametrize(
    ("mounted", "busy", "free", "left"),
    [
        ([], [], True, []),
        (["/home"], [], True, []),
        (["/home", "/home/data"], [], True, []),
        (["/home", "/home"], [], True, []),
        (["/home", "/apart"], ["/home"], False, ["/home"]),
        (["/home", "/home/data"], ["/home/data"], False, ["/home", "/home/data"]),
        (["/data"], [], True, ["/data"]),  # not of the master
    ],
)
def test_what_nobody_uses_is_left(
    tmp_path: Path, mounted: list[str], busy: list[str], free: bool, left: list[str]
) -> None:
    (tmp_path / "fstab").write_text(FSTAB)
    (tmp_path / "mounts").write_text("".join(f"somebody {path} any rw 0 0\n" for path in mounted))
    (tmp_path / "busy").write_text("".join(f"{path}\n" for path in busy))
    for name, text in {"umount": UMOUNT.format(folder=tmp_path), "sync": "#!/bin/sh\nexit 1\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    script = shares._LEAVE_SHARES.replace("/etc/fstab", f"{tmp_path}/fstab").replace(
        "/proc/mounts", f"{tmp_path}/mounts"
    )
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("all" in done.stdout.split()) is free
    assert [line.split()[1] for line in (tmp_path / "mounts").read_text().splitlines()] == left
    assert (tmp_path / "fstab").read_text() == FSTAB
