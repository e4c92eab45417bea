"""Whether a private key's file is one that ssh would take; what is in it is keys.py's matter."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from starcluster import exception


def check_key_file(path: str | os.PathLike[str]) -> Path:
    """The file's whole path if ssh would take it; else KeyFileError."""
    where = Path(path).expanduser()
    if not where.exists():
        raise exception.KeyFileError(
            f"the key file {where} does not exist",
            hint="set KEY_LOCATION in the config's [key] section, or make a key: starcluster createkey",
        )
    if not where.is_file():
        raise exception.KeyFileError(f"the key file {where} is not a file", hint="set KEY_LOCATION")
    if not os.access(where, os.R_OK):
        raise exception.KeyFileError(f"the key file {where} can not be read", hint=f"chmod 600 {where}")
    check_private(where)
    return where


def check_private(where: Path) -> None:
    """KeyFileError for a file that is there and that others can read."""
    if where.exists() and stat.S_IMODE(where.stat().st_mode) & 0o077:
        raise exception.KeyFileError(
            f"the key file {where} can be read by others; ssh refuses such a key", hint=f"chmod 600 {where}"
        )
