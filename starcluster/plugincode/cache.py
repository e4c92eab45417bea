"""Converted plugins, kept in STARCLUSTER_HOME/cache/plugins so that the next command need not convert them.

    SHA256-OF-THE-KEY.json      a line with the rest's SHA-256, then {"text": ..., "lines": [...]}

What lies there is run: a file that is torn, is not ours or that others may write to counts as not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import asdict
from pathlib import Path

from starcluster import wholefile
from starcluster.logger import log
from starcluster.ownfolder import home
from starcluster.plugincode.convert import Converted

_LARGEST = 20_000_000


def folder() -> Path:
    return home() / "cache" / "plugins"


def key(*parts: str) -> str:
    """A file's name, of everything that the conversion depends on."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def look_up(name: str) -> Converted | None:
    try:
        data = _read_ours(folder() / f"{name}.json")
        digest, _, rest = data.partition(b"\n")
        if hashlib.sha256(rest).hexdigest() != digest.decode("ascii"):
            raise ValueError("it is torn")
        found = json.loads(rest)
        return Converted(text=found["text"], lines=tuple(found["lines"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.debug("a kept conversion is not used: %s", error)
        return None


def _read_ours(path: Path) -> bytes:
    """ValueError unless folder and file are ours alone to write."""
    _check(os.stat(path.parent, follow_symlinks=False), path.parent, stat.S_ISDIR)
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(handle, "rb") as file:
        _check(os.fstat(handle), path, stat.S_ISREG)
        return file.read(_LARGEST)


def _check(found: os.stat_result, path: Path, is_kind: object) -> None:
    if not (callable(is_kind) and is_kind(found.st_mode)):
        raise ValueError(f"{path} is something else")
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ValueError(f"{path} is not ours alone")


def keep(name: str, converted: Converted) -> None:
    """Whole or not at all; where nothing can be written, nothing is kept."""
    rest = json.dumps(asdict(converted)).encode()
    data = hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest
    try:
        folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        wholefile.replace(folder() / f"{name}.json", data)
    except OSError as error:
        log.debug("the conversion is not kept: %s", error)
