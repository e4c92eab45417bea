"""What to do about a module that a plugin imports and that is not there."""

from __future__ import annotations

import sys

_ENDED = {
    "boto": "boto ended in 2018, and Python 3.12 can not import it: boto3 is its successor and is here, and node.ec2"
    " has a part of boto's names (docs/plugin-api.md)",
    "fabric": "fabric.api is Fabric 1, which is for Python 2 only: node.ssh.execute and node.ssh.put do that work",
}


def next_step(error: BaseException, *, own: str = "") -> str:
    """ "" for all but a package that is missing: not of this program, nor of the plugin whose module is `own`."""
    name = (getattr(error, "name", None) or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or name in ("", "starcluster", own.partition(".")[0]):
        return ""
    return _ENDED.get(name) or f"install what holds {name} beside starcluster: {sys.executable} -m pip install {name}"
