"""Room on the host's disk: images are sparse, so a cloud can promise more than there is. It says so before it fails."""

import os
from pathlib import Path

from starcluster.localcloud.hosts.spec import HostsError

MB = 1_000_000
MARGIN = 64 * MB  # a fresh root disk takes half of it
_FULL = 16 * MB


def demand(folder: Path, needed: int = 0) -> None:
    """HostsError unless `needed` bytes fit, with a margin."""
    free, wanted = _free(folder), needed + MARGIN
    if free < wanted:
        raise HostsError(f"{_told(folder, free)}, {-(-wanted // MB)} MB needed")


def trouble(folder: Path) -> str | None:
    """What to say about a disk that is full; None while it is not."""
    free = _free(folder)
    return _told(folder, free) if free < _FULL else None


def allocated(path: Path) -> int:
    """What a sparse file takes."""
    return path.stat().st_blocks * 512


def _free(folder: Path) -> int:
    told = os.statvfs(folder)
    return told.f_bavail * told.f_frsize


def _told(folder: Path, free: int) -> str:
    return f"the disk of {folder} is full: {free // MB} MB free"
