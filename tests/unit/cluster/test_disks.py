"""What plugins are told of a node's devices, as StarCluster told it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from starcluster.cluster import disks
from starcluster.cluster.disks import Disks

MBR, GPT = "/dev/nvme1n1p1 2048 4096 0x8e", "/dev/nvme2n1p1 2048 20480 0fc63daf-8483-4772-8e79-3d69d8477de4"


LSBLK = """#!/bin/sh
case "$*" in
    *PARTTYPE*) [ "${3##*/}" = sdx1 ] && echo 0x8e ;;
    *) printf '/dev/sdx disk\\n/dev/sdx1 part\\n/dev/sdx2 part\\n' ;;
esac
true
"""


class Node(Disks):
    ssh: Any = None


def node(*lines: str) -> Node:
    made = Node.__new__(Node)
    made.ssh = SimpleNamespace(execute=lambda command, **_: list(lines))
    return made


def test_devices_are_counted_in_blocks() -> None:
    assert node("/dev/nvme0n1 8589934592", "/dev/nvme0n1p1 1048576").get_device_map() == {
        "/dev/nvme0n1": 8388608,
        "/dev/nvme0n1p1": 1024,
    }


@pytest.mark.parametrize(
    ("asked", "disk", "names"),
    [
        (None, "/", ["/dev/nvme1n1p1", "/dev/nvme2n1p1", "/dev/xvdf2"]),
        ("/dev/sdg", "/dev/nvme2n1", ["/dev/nvme2n1p1"]),
        ("/dev/xvdf", "/dev/xvdf", ["/dev/xvdf2"]),
    ],
)
def test_partitions_are_told_as_fdisk_tells_them(asked: str | None, disk: str, names: list[str]) -> None:
    told = {
        "/dev/nvme1n1p1": [2048, 6143, 2048, "8e"],
        "/dev/nvme2n1p1": [2048, 22527, 10240, "ee"],
        "/dev/xvdf2": [10, 29, 10, "83"],
    }
    assert node(disk, MBR, GPT, "/dev/xvdf2 10 20").get_partition_map(asked) == {name: told[name] for name in names}


def test_the_node_is_asked_for_each_partition(tmp_path: Path) -> None:
    """Its shell's part, with an lsblk and a /sys of our own."""
    for name, start, size in (("sdx1", "2048", "4096"), ("sdx2", "6144", "100")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "start").write_text(start + "\n")
        (tmp_path / name / "size").write_text(size + "\n")
    (tmp_path / "lsblk").write_text(LSBLK)
    (tmp_path / "lsblk").chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", disks._EACH_PARTITION.replace("/sys/class/block", str(tmp_path))],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = node("/", *done.stdout.splitlines()).get_partition_map()
    assert told == {"/dev/sdx1": [2048, 6143, 2048, "8e"], "/dev/sdx2": [6144, 6243, 50, "83"]}
