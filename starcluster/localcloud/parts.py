"""127.77.0.0/16 is one for all clouds of a machine: each takes a part of it for its nodes' public addresses.

A part is a file with a lock. The holder keeps the lock, so a cloud has its part as long as its nodes can live.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from pathlib import Path

from starcluster.localcloud.places import SOCKET_ROOT

COUNT = 64
SIZE = (1 << 16) // COUNT
_FOLDER = "parts"


class NoPartFree(Exception):
    """Every part has a cloud."""


def take(folder: Path, root: Path = SOCKET_ROOT) -> tuple[int, int]:
    """A part for the cloud in `folder`, the one of last time if it is free: its number and its lock."""
    for number in _order(folder):
        fd = _locked(root / _FOLDER / str(number), folder)
        if fd is not None:
            _remembered(folder).write_text(str(number))
            return number, fd
    raise NoPartFree(f"{COUNT} local clouds run on this machine, there are no addresses for more")


def _order(folder: Path) -> list[int]:
    """First the part of last time, then all from one that differs from folder to folder."""
    first = zlib.crc32(os.fsencode(folder)) % COUNT
    every = [(first + step) % COUNT for step in range(COUNT)]
    try:
        last = int(_remembered(folder).read_text())
    except (OSError, ValueError):
        return every
    return [last, *every] if 0 <= last < COUNT else every


def _remembered(folder: Path) -> Path:
    return folder / "part"


def _locked(path: Path, folder: Path) -> int | None:
    """The lock, or None if another has it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        if _is(path, fd):
            os.truncate(fd, 0)
            os.write(fd, os.fsencode(folder) + b"\n")
            return fd
        os.close(fd)  # it was swept away between the opening and the lock


def _is(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def give_back(number: int, root: Path = SOCKET_ROOT) -> None:
    """Remove the file of a part whose lock the caller has."""
    (root / _FOLDER / str(number)).unlink(missing_ok=True)


def sweep(root: Path = SOCKET_ROOT) -> None:
    """Remove the files of parts that nobody has."""
    for path in (root / _FOLDER).glob("*"):
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:  # another sweeper was quicker
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(path, fd):
                path.unlink()
        except BlockingIOError:
            continue
        finally:
            os.close(fd)
