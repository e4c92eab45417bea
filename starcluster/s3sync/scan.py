"""What is in a folder now."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterator, Sequence

from starcluster.s3sync.model import FILE, FOLDER, LINK, Entry

OWN = ".s3sync"  # what we keep in the folder ourselves


def scan(root: str, exclude: Sequence[str] = ()) -> list[Entry]:
    """Files, links and folders below `root`, in the order of their paths; sockets and the like are passed over."""
    return sorted(_below(root, "", exclude), key=lambda one: one.path)


def _below(root: str, prefix: str, exclude: Sequence[str]) -> Iterator[Entry]:
    try:
        found = list(os.scandir(os.path.join(root, prefix)))
    except FileNotFoundError:
        return
    for one in found:
        path = f"{prefix}{one.name}"
        if path == OWN or matches(path, exclude):
            continue
        entry = look(root, path)
        if entry is None:
            continue
        yield entry
        if entry.kind == FOLDER:
            yield from _below(root, f"{path}/", exclude)


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns is that of the path, or of its last name."""
    name = path.rpartition("/")[2]
    return any(fnmatch.fnmatch(path, each) or fnmatch.fnmatch(name, each) for each in patterns)


def look(root: str, path: str) -> Entry | None:
    """One entry as it is now; None for what is gone or of another kind."""
    full = os.path.join(root, path)
    try:
        about = os.lstat(full)
        target = os.readlink(full) if stat.S_ISLNK(about.st_mode) else ""
    except OSError:
        return None
    return entry_from(path, about, target)


def entry_from(path: str, about: os.stat_result, target: str = "") -> Entry | None:
    kinds = ((stat.S_ISREG, FILE), (stat.S_ISLNK, LINK), (stat.S_ISDIR, FOLDER))
    kind = next((name for fits, name in kinds if fits(about.st_mode)), None)
    if kind is None:
        return None
    return Entry(
        path=path,
        kind=kind,
        size=about.st_size if kind == FILE else 0,
        mtime=about.st_mtime_ns if kind == FILE else 0,
        mode=stat.S_IMODE(about.st_mode),
        uid=about.st_uid,
        gid=about.st_gid,
        target=target,
    )
