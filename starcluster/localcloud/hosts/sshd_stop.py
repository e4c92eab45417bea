"""The orderly end of a node, done by its pid 1: everybody is asked, then told, and the disks are synced."""

import ctypes
import os
import signal
import time
from enum import IntEnum
from pathlib import Path

from starcluster.localcloud.hosts.sshd_children import Reaper

GRACE = 5.0
LAST_RESORT = 2.0
PAUSE = 0.01
DISKS = frozenset({"ext4", "ext3", "ext2", "xfs", "btrfs", "overlay"})
MOUNTS = Path("/proc/self/mounts")


class Exit(IntEnum):
    """The exit status of pid 1, which tells the agent why the node ended."""

    STOPPED = 0
    REBOOT = 10
    POWEROFF = 11


REASONS = {signal.SIGTERM: Exit.STOPPED, signal.SIGINT: Exit.REBOOT, signal.SIGUSR1: Exit.POWEROFF}


def stop_everybody(reaper: Reaper, *, grace: float = GRACE) -> None:
    """End every process of the node but this one. Does nothing outside a pid namespace of our own."""
    if os.getpid() != 1:  # kill(-1) would end the machine's processes, not a node's
        return
    for number, limit in ((signal.SIGTERM, grace), (signal.SIGKILL, LAST_RESORT)):
        try:
            os.kill(-1, number)
            if number == signal.SIGTERM:  # a stopped process hears SIGTERM only when it goes on
                os.kill(-1, signal.SIGCONT)
        except ProcessLookupError:
            return
        if _all_gone(reaper, limit):
            return


def _all_gone(reaper: Reaper, limit: float) -> bool:
    end = time.monotonic() + limit
    while reaper.reap():
        if time.monotonic() > end:
            return False
        time.sleep(PAUSE)
    return True


def sync_disks(mounts: Path = MOUNTS) -> None:
    """Write out the node's own file systems. sync(2) would wait for every disk of the machine."""
    for place in _disk_mounts(mounts):
        try:
            fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK)
        except OSError:  # a file mount, or a file system that is dead already
            continue
        try:
            _libc.syncfs(fd)
        finally:
            os.close(fd)


def _disk_mounts(mounts: Path) -> list[str]:
    places: list[str] = []
    for line in mounts.read_text(errors="surrogateescape").splitlines():
        fields = line.split(" ")
        if len(fields) > 3 and fields[2] in DISKS and "rw" in fields[3].split(","):
            places.append(fields[1].encode().decode("unicode_escape"))
    return places


_libc = ctypes.CDLL(None, use_errno=True)
