"""The user's config; and, when they are asked for, the names that old plugins import from here."""

import importlib
from typing import Any

_OLD = ("StarClusterConfig", "get_config", "get_easy_ec2", "get_easy_s3")


def __getattr__(name: str) -> Any:
    if name in _OLD:
        return getattr(importlib.import_module("starcluster.oldconfig"), name)  # it stands above this package
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
