"""Who is there: what clouds leave below /run, and how it goes when its processes are dead, however they died.

Every process of a cloud holds a shared lock on the cloud's directory of sockets. Whoever gets it exclusively knows
that all of them are gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from starcluster.localcloud import parts
from starcluster.localcloud.places import SOCKET_ROOT, Places, digest

_NAME = re.compile("[0-9a-f]{12}")


def hold(places: Places) -> int:
    """Make the cloud's places and be there: the descriptor lasts as long as this process needs them."""
    while True:
        places.make()
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(places.sockets, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(fd, fcntl.LOCK_SH)
            if _is_still(fd, places.sockets):
                return fd
            os.close(fd)


def leave(places: Places, fd: int) -> None:
    """Be there no longer; the last one clears up."""
    os.close(fd)
    with _alone(places.sockets) as alone:
        if alone:
            shutil.rmtree(places.sockets, ignore_errors=True)


def sweep(root: Path = SOCKET_ROOT) -> None:
    """Remove what dead clouds have left, in whatever folder they were."""
    living: set[str] | None = None
    for path in root.iterdir() if root.is_dir() else ():
        if not _NAME.fullmatch(path.name):
            continue
        with _alone(path) as alone:
            if alone and living is None:
                living = names_of_living()
            if alone and living is not None and path.name not in living:
                shutil.rmtree(path, ignore_errors=True)
    parts.sweep(root)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether nobody is there; nobody can come as long as this lasts."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield _is_still(fd, path)
    except BlockingIOError:
        yield False
    finally:
        os.close(fd)


def _is_still(fd: int, path: Path) -> bool:
    """Whether the path leads to what the descriptor is of."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False


def names_of_living() -> set[str]:
    """The names of all clouds that have processes, by their command lines: a starting one has no lock yet."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if not any(word.startswith(b"starcluster.localcloud") for word in words):
                    continue
                found |= {digest(Path(os.fsdecode(word))) for word in words if word.startswith(b"/")}
    return found
