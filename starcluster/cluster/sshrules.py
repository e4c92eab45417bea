"""Who may ssh to a cluster's nodes: the rules of its group that this machine made, and keeps in step. Pure functions.

A rule carries the name of the machine that made it, so that two people, or a laptop and the machine where the driver
runs, do not take each other's rules away.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence

from starcluster.model import Permission

SSH_PORT = 22
_SAID = "ssh from "
_NOT_SAID = re.compile(r"[^A-Za-z0-9._-]")  # EC2 takes few signs in a description


def rules(cidrs: Sequence[str]) -> list[Permission]:
    """SSH for these ranges, as this machine's."""
    return [
        Permission(protocol="tcp", from_port=SSH_PORT, to_port=SSH_PORT, cidr=cidr, description=_SAID + this_machine())
        for cidr in cidrs
    ]


def this_machine() -> str:
    return _NOT_SAID.sub("-", socket.gethostname())[:200] or "somewhere"


def covers_ssh(permission: Permission) -> bool:
    return permission.protocol == "tcp" and permission.from_port <= SSH_PORT <= permission.to_port
