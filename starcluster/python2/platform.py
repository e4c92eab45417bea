"""Python 2's platform: dist()."""

from __future__ import annotations

import platform as _today
from platform import *  # noqa: F403
from typing import Any


def __getattr__(name: str) -> Any:
    return getattr(_today, name)


def dist(*_: Any, **__: Any) -> tuple[str, str, str]:
    """(distribution, version, code name) of this machine, empty where it does not say."""
    try:
        found = _today.freedesktop_os_release()
    except OSError:
        return "", "", ""
    return found.get("ID", ""), found.get("VERSION_ID", ""), found.get("VERSION_CODENAME", "")


linux_distribution = dist
