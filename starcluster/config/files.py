"""Where things of the user lie on disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from starcluster.ownfolder import home


def local_folder() -> Path:
    """The folder that is the local cloud: STARCLUSTER_LOCAL, else ~/.starcluster/local."""
    return Path(os.environ.get("STARCLUSTER_LOCAL") or "~/.starcluster/local").expanduser()


def local_key() -> Path:
    """The private key that the local cloud makes for its key pair `local`."""
    return local_folder() / "keys" / "local"


def config_path(given: str | None = None) -> str:
    """The config to read, a path or a URL: the option, STARCLUSTER_CONFIG, or ours."""
    return given or os.environ.get("STARCLUSTER_CONFIG") or str(home() / "config")


def example() -> Path:
    """The config that starts a cluster on the local cloud as it is."""
    return Path(__file__).with_name("config.example")


def expand(path: str) -> str:
    """`~`, `$NAME` and `${NAME}`; $STARCLUSTER_LOCAL and $STARCLUSTER_HOME always have a value."""
    known = {"STARCLUSTER_LOCAL": str(local_folder()), "STARCLUSTER_HOME": str(home())}
    for name, value in known.items():
        path = path.replace(f"${{{name}}}", value).replace(f"${name}", value)
    return os.path.expanduser(os.path.expandvars(path))


def is_open(path: str) -> bool:
    """Whether others than the owner may read the file."""
    try:
        return bool(stat.S_IMODE(os.stat(path).st_mode) & 0o077)
    except OSError:
        return False
