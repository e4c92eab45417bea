"""Whether this machine can carry a local cloud, and if not, what it lacks."""

import os
import platform
import re
import shutil
import sys
from pathlib import Path

from starcluster.localcloud.hosts import syscalls

_KERNEL = (5, 3)  # open_tree came with 5.2, pidfd_open with 5.3
_PROGRAMS = {
    "ip": "iproute2",
    "mkfs.ext4": "e2fsprogs",
    "e2fsck": "e2fsprogs",
    "mount": "util-linux",
    "find": "findutils",
    "ssh": "openssh-client",
}
_CAP_SYS_ADMIN = 21


def missing() -> list[str]:
    """What the machine lacks, each as a phrase; empty when the local cloud can run here."""
    if not sys.platform.startswith("linux"):
        return [f"Linux (this is {sys.platform})"]
    lacks = [*_of_machine(), *_of_power()]
    lacks += [f"the program {name} (package {package})" for name, package in _PROGRAMS.items() if not _has(name)]
    return lacks


def _of_machine() -> list[str]:
    lacks = []
    if not syscalls.supported_machine():
        lacks.append(f"a processor of kind x86_64 or aarch64 (this is {platform.machine()})")
    if kernel_version(platform.release()) < _KERNEL:
        lacks.append(f"a kernel of at least {_KERNEL[0]}.{_KERNEL[1]} (this is {platform.release()})")
    known = Path("/proc/filesystems").read_text().split()
    for name in ("overlay", "ext4", "fuse"):
        if name not in known and not _module_exists(name):
            lacks.append(f"the file system {name} in the kernel")
    return lacks


def _of_power() -> list[str]:
    if os.geteuid() != 0:
        return ["root's rights (run it as root, or with sudo)"]
    lacks = []
    if not syscalls.capabilities().effective >> _CAP_SYS_ADMIN & 1:
        lacks.append("the capability CAP_SYS_ADMIN (a container needs --privileged)")
    if not os.access("/dev/loop-control", os.R_OK | os.W_OK):
        lacks.append("loop devices (/dev/loop-control; a container needs --privileged)")
    return lacks


def kernel_version(release: str) -> tuple[int, int]:
    """The first two numbers of a kernel release."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _module_exists(name: str) -> bool:
    listing = Path(f"/lib/modules/{platform.release()}/modules.dep")
    return listing.exists() and f"/{name}.ko" in listing.read_text()


def _has(program: str) -> bool:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def message(lacks: list[str]) -> str:
    """One sentence about it."""
    return f"this machine cannot run a local cloud: it lacks {'; '.join(lacks)}"
