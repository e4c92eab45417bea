"""The rules that a cluster's group has of [permission] sections, and how they follow a changed config. Pure functions.

The record tells which rules are of the config, and each of them carries its section's name: what somebody else has
opened, by hand or by a plugin, is never taken away.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starcluster.cluster import sshrules
from starcluster.cluster.record import RuleRecord
from starcluster.config.schema import PermissionSettings
from starcluster.model import Permission

Key = tuple[str, int, int, str]


@dataclass(frozen=True, kw_only=True)
class Following:
    """What is to be opened and what to be shut, and the rules of the record after that.

    `ssh`: this machine's own rules for SSH, to be shut because a [permission] decides from now on who may.
    """

    added: Sequence[Permission] = ()
    taken: Sequence[Permission] = ()
    ssh: Sequence[Permission] = ()
    ours: tuple[RuleRecord, ...] = ()


def recorded(wanted: Iterable[PermissionSettings]) -> tuple[RuleRecord, ...]:
    """The rules of these sections, as the record keeps them."""
    return tuple(_record(rule) for one in wanted for rule in sshrules.rules_of(one))


def following(before: Iterable[RuleRecord], after: Sequence[RuleRecord], there: Sequence[Permission]) -> Following:
    """From the record's rules to the config's, with the group's rules as they are."""
    present = {_key(one): one for one in there if one.cidr}
    wanted = {_key(_permission(one)): one for one in after}
    known = {_key(_permission(one)): one for one in before}
    added = [_permission(one) for key, one in wanted.items() if key not in present]
    taken = [
        present[key]
        for key, one in known.items()
        if key not in wanted and key in present and present[key].description == one.name
    ]
    ours = [
        one for key, one in wanted.items() if key not in present or key in known or present[key].description == one.name
    ]
    decides = any(sshrules.covers_ssh(_permission(one)) for one in after)
    ssh = sshrules.ours(there) if decides else []
    return Following(added=added, taken=taken, ssh=ssh, ours=tuple(ours))


def shown(rule: Permission) -> str:
    """Such as `tcp 80 from 0.0.0.0/0`."""
    ports = str(rule.from_port) if rule.from_port == rule.to_port else f"{rule.from_port} to {rule.to_port}"
    return f"{rule.protocol} {ports} from {rule.cidr}"


def _key(rule: Permission) -> Key:
    """EC2 keeps a range by its first address, whatever address of it was written."""
    return rule.protocol, rule.from_port, rule.to_port, str(ipaddress.ip_network(rule.cidr, strict=False))


def _record(rule: Permission) -> RuleRecord:
    return RuleRecord(
        name=rule.description, protocol=rule.protocol, from_port=rule.from_port, to_port=rule.to_port, cidr=rule.cidr
    )


def _permission(rule: RuleRecord) -> Permission:
    return Permission(
        protocol=rule.protocol,
        from_port=rule.from_port,
        to_port=rule.to_port,
        cidr=rule.cidr,
        description=rule.name,
    )
