"""What the agent tells the holder about a node to be forked, and how its disks appear in it."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starcluster.localcloud.hosts import syscalls

HOLDER_SOCKET = "holder.sock"
HELPER_SOCKET = "helper.sock"
PART = "part:"  # how the lock on the cloud's part of the addresses is named among what the holder keeps
_LOOP_MAJOR = 7
PARTITIONS = "run/localcloud/partitions"  # bound over /proc/partitions of a node


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A block device to show: its node path, the loop device behind it, and the names that lead to it."""

    path: str
    minor: int
    links: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that a starting node must know; paths are the host's."""

    instance_id: str
    folder: str
    root: str
    disk: str
    layers: tuple[tuple[str, tuple[str, ...]], ...]
    python: str | None
    helper_socket: str
    gate: str
    hostname: str
    address: str
    gateway: str
    boot_id: str
    first_boot: bool
    default_user: str
    authorized_keys: tuple[str, ...]
    user_data: bytes
    boot_seconds: float
    disks: tuple[Disk, ...]
    tree: str = ""

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Plan":
        """From the JSON object that the agent sends."""
        layers = tuple((name, tuple(lower)) for name, lower in values["layers"])
        disks = tuple(Disk(**{**one, "links": tuple(one["links"])}) for one in values["disks"])
        data = values["user_data"].encode("latin-1")
        keys = tuple(values["authorized_keys"])
        return cls(**{**values, "layers": layers, "disks": disks, "user_data": data, "authorized_keys": keys})


def show_disk(root: Path, disk: Disk) -> None:
    """Make a disk's device file and its links below `root`, and let lsblk see it."""
    path = root / disk.path.lstrip("/")
    os.mknod(path, stat.S_IFBLK | 0o660, os.makedev(_LOOP_MAJOR, disk.minor))
    path.chmod(0o660)
    for link in disk.links:
        place = root / link.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(disk.path)
    known = root / "sys/block" / path.name
    known.mkdir()
    syscalls.mount(root / f"sys/devices/virtual/block/loop{disk.minor}", known, None, syscalls.MS_BIND)
    list_disks(root)


def hide_disk(root: Path, disk: Disk) -> None:
    """Remove what `show_disk` made."""
    for name in (*disk.links, disk.path):
        (root / name.lstrip("/")).unlink(missing_ok=True)
    known = root / "sys/block" / disk.path.rpartition("/")[2]
    if known.exists():
        syscalls.umount(known, syscalls.MNT_DETACH)
        known.rmdir()
    list_disks(root)


def list_disks(root: Path) -> None:
    """Write what the node has for /proc/partitions: its own disks, not the machine's."""
    lines = ["major minor  #blocks  name\n\n"]
    for known in sorted((root / "sys/block").iterdir()):
        major, minor = (known / "dev").read_text().strip().split(":")
        blocks = int((known / "size").read_text()) // 2
        lines.append(f"{major:>4} {minor:>8} {blocks:>10} {known.name}\n")
    (root / PARTITIONS).write_text("".join(lines))
