"""What a sync is about: one JSON file a sync on the node."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from starcluster.s3sync.trouble import Trouble

FOLDER = "/etc/starcluster/s3sync"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`whole`: the folder is one thing, else each entry of it is. `live`: files that are added to all the time.

    `writer`, `since`: who was set up here, and when.
    """

    name: str
    bucket: str
    path: str
    prefix: str = ""
    region: str = ""
    interval: float = 300.0
    keep: int = 3
    whole: bool = False
    exclude: tuple[str, ...] = ()
    live: tuple[str, ...] = ()
    threads: int = 8
    tries: int = 5
    writer: str = ""
    since: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)


def settings_of(plain: Mapping[str, Any]) -> Settings:
    known = {one.name for one in fields(Settings)}
    values = {name: value for name, value in plain.items() if name in known}
    for name in ("exclude", "live"):
        values[name] = tuple(values.get(name) or ())
    try:
        return Settings(**values)
    except TypeError as error:
        raise Trouble(f"the settings of this sync are incomplete: {error}") from None


def read(name: str, folder: str = FOLDER) -> Settings:
    path = name if "/" in name else os.path.join(folder, f"{name}.json")
    try:
        with open(path, encoding="utf-8") as file:
            return settings_of(json.load(file))
    except (OSError, ValueError) as error:
        raise Trouble(
            f"there is no sync {name} on this node ({error})", "the s3sync plugin sets it up; or name a bucket"
        ) from None


def names(folder: str = FOLDER) -> list[str]:
    """The syncs of this node."""
    try:
        return sorted(one[:-5] for one in os.listdir(folder) if one.endswith(".json"))
    except OSError:
        return []
