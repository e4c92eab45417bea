"""Where this program keeps what is the user's: config, keys, logs, caches."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """STARCLUSTER_HOME, else ~/.starcluster."""
    return Path(os.environ.get("STARCLUSTER_HOME") or "~/.starcluster").expanduser()
