"""The cloud's directory for device files, below /run: a tmpfs that only its mount namespace sees."""

import contextlib
from pathlib import Path

from starcluster.localcloud import presence
from starcluster.localcloud.hosts import syscalls
from starcluster.localcloud.places import Places

_NAME = "dev"


def make(places: Places, *, mounted: bool) -> Path:
    """The directory; `mounted` says that an earlier agent has mounted it."""
    directory = places.sockets / _NAME
    directory.mkdir(mode=0o700, exist_ok=True)
    if not mounted:
        syscalls.mount("tmpfs", directory, "tmpfs", syscalls.MS_NOSUID, "mode=700,size=1m")
    return directory


def clear_run(places: Places, held: int) -> None:
    """Leave the sockets' directory, see presence; the scratch directory in it goes with the last who does."""
    with contextlib.suppress(OSError):
        syscalls.umount(places.sockets / _NAME, syscalls.MNT_DETACH)
    presence.leave(places, held)
