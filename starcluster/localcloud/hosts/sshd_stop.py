"""The orderly end of a node, done by its pid 1: everybody is asked, then told, and the disks are synced."""

import asyncio
import ctypes
import os
import signal
import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

from starcluster.localcloud.hosts.sshd_children import Reaper

GRACE = 5.0
PATIENCE = 0.5
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


_held: list[Exit] = []


def hold_signals() -> None:
    """From now on remember a request to end, until `held()` is asked: pid 1 would not even hear it."""
    for number in REASONS if os.getpid() == 1 else ():
        signal.signal(number, lambda received, _frame: _held.append(REASONS[signal.Signals(received)]))


def release_signals() -> None:
    """For a child that was forked meanwhile: let the same signals end it."""
    for number in REASONS:
        signal.signal(number, signal.SIG_DFL)


def held() -> Exit | None:
    """The first request that came in while they were held."""
    return _held[0] if _held else None


async def stop_everybody(reaper: Reaper, hang_up: Callable[[], None]) -> None:
    """End every process of the node but this one. Does nothing to others outside a pid namespace of our own.

    They are asked by SIGTERM; who is on a terminal and does not listen, as shells do, loses it a little
    later, when `hang_up` closes all connections; the rest is killed.
    """
    if os.getpid() != 1:  # kill(-1) would end the machine's processes, not a node's
        hang_up()
        return
    _tell_all(signal.SIGTERM)
    _tell_all(signal.SIGCONT)  # who is stopped hears SIGTERM only when it goes on
    asked = await _all_gone(reaper, PATIENCE)
    hang_up()
    if asked or await _all_gone(reaper, GRACE - PATIENCE):
        return
    _tell_all(signal.SIGKILL)
    await _all_gone(reaper, LAST_RESORT)


def _tell_all(number: signal.Signals) -> None:
    try:
        os.kill(-1, number)
    except ProcessLookupError:
        pass


async def _all_gone(reaper: Reaper, limit: float) -> bool:
    end = time.monotonic() + limit
    while reaper.reap():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(PAUSE)
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
