"""What to do about a module that a plugin imports and that is not there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from starcluster.plugincode import forks

_ENDED = {
    "boto": "boto ended in 2018, and Python 3.12 can not import it: boto3 is its successor and is here, and node.ec2"
    " has a part of boto's names (docs/plugin-api.md)",
    "fabric": "fabric.api is Fabric 1, which is for Python 2 only: node.ssh.execute and node.ssh.put do that work",
}
_NOT_IN = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")


def next_step(error: BaseException, plugins: Path, *, own: str = "") -> str:
    """The hint for the user; "" where nothing is known of it, or it is the plugin itself, whose module is `own`.

    `plugins`: the folder of his own plugins.
    """
    name = _name_of(error)
    top = name.partition(".")[0]
    if top == "starcluster":
        return _of_starcluster(name, plugins)
    if not isinstance(error, ModuleNotFoundError) or top in ("", own.partition(".")[0]):
        return ""
    return _ENDED.get(top) or f"install what holds {top} beside starcluster: {sys.executable} -m pip install {top}"


def _name_of(error: BaseException) -> str:
    """The module that is missing, or module.name where only the name is."""
    found = _NOT_IN.search(str(error))
    return f"{found[2]}.{found[1]}" if found else getattr(error, "name", None) or ""


def _of_starcluster(name: str, plugins: Path) -> str:
    place = forks.place_of(name, plugins)
    if place is None:
        return "docs/plugin-api.md tells what plugins may import of StarCluster"
    return f"it is not one of ours: if {name} comes from a fork of StarCluster, copy its file to {place}"
