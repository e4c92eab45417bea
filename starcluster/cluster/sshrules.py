"""Who may ssh to a cluster's nodes: the rules of its group that this machine made. Pure functions.

A rule carries the name of the machine that made it, so that two people, or a laptop and the machine where the driver
runs, do not take each other's rules away.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import socket
from collections.abc import Sequence

from starcluster.config.schema import PermissionSettings
from starcluster.model import Permission

SSH_PORT = 22
OPEN = "opens SSH to the whole world"
OPEN_HINT = "name the addresses that may, such as 203.0.113.0/24; without it SSH is open to this machine only"
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
    if permission.protocol == "-1":
        return True
    return permission.protocol == "tcp" and permission.from_port <= SSH_PORT <= permission.to_port


def changes(there: Sequence[Permission], callers: Sequence[str]) -> tuple[list[Permission], list[Permission]]:
    """What is to be added to a group's rules and what to be taken away, so that these callers may ssh.

    Where a [permission] decides who may, nothing is; the rules of other machines stay.
    """
    letting = open_to(there)
    mine = ours(letting)
    if not mine and _deciding(letting):
        return [], []
    known = {one.cidr for one in letting}
    added = [one for one in rules(callers) if one.cidr not in known]
    return added, [one for one in mine if one.cidr not in callers]


def keeping_out(there: Sequence[Permission], callers: Sequence[str]) -> list[Permission]:
    """The rules of [permission]s that decide who may ssh, where neither they nor others let one of these callers in."""
    letting = open_to(there)
    if not callers or ours(letting) or any(_lies_in(caller, one.cidr) for caller in callers for one in letting):
        return []
    return _deciding(letting)


def open_to(there: Sequence[Permission]) -> list[Permission]:
    """The rules by which SSH comes in from somewhere."""
    return [one for one in there if one.cidr and covers_ssh(one)]


def machine_of(rule: Permission) -> str:
    """The machine that let itself in by this rule, "" where it is another's."""
    return rule.description.removeprefix(_SAID) if rule.description.startswith(_SAID) else ""


def ours(there: Sequence[Permission]) -> list[Permission]:
    """This machine's rules."""
    return [one for one in there if machine_of(one) == this_machine()]


def _deciding(letting: Sequence[Permission]) -> list[Permission]:
    return [one for one in letting if not one.description.startswith(_SAID)]


def _lies_in(caller: str, cidr: str) -> bool:
    inner, outer = ipaddress.ip_network(caller, strict=False), ipaddress.ip_network(cidr, strict=False)
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False


def rules_of(one: PermissionSettings) -> list[Permission]:
    """The rules of a [permission]. One that does not say CIDR_IP is open to the world, but for SSH's port."""
    whole = Permission(
        protocol=one.ip_protocol, from_port=one.from_port, to_port=one.to_port, cidr=one.cidr, description=one.name
    )
    if one.cidr_ip or not covers_ssh(whole):
        return [whole]
    below = dataclasses.replace(whole, to_port=SSH_PORT - 1)
    above = dataclasses.replace(whole, from_port=SSH_PORT + 1)
    return [part for part in (below, above) if part.from_port <= part.to_port]


def opens_to_world(one: PermissionSettings) -> bool:
    """Whether somebody has written that all the world may ssh."""
    return any(rule.cidr.endswith("/0") and covers_ssh(rule) for rule in rules_of(one))
