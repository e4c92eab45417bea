"""Who may ssh: this machine, never the world unless somebody wrote it."""

from __future__ import annotations

import pytest

from starcluster.cluster import sshrules, starting
from starcluster.config.schema import PermissionSettings
from starcluster.model import Permission


def permission(first: int, last: int, cidr: str = "", protocol: str = "tcp") -> PermissionSettings:
    return PermissionSettings(name="p", from_port=first, to_port=last, cidr_ip=cidr, ip_protocol=protocol)


def ports(rules: list[Permission]) -> list[tuple[int, int, str]]:
    return [(rule.from_port, rule.to_port, rule.cidr) for rule in rules if rule.cidr]


def of(*wanted: PermissionSettings) -> list[tuple[int, int, str]]:
    return ports(starting.permissions_of(wanted, callers=["203.0.113.9/32"], group_id="sg-1"))


@pytest.mark.parametrize(
    ("wanted", "rules"),
    [
        (permission(80, 90), [(22, 22, "203.0.113.9/32"), (80, 90, "0.0.0.0/0")]),
        (permission(22, 22), [(22, 22, "203.0.113.9/32")]),
        (permission(1, 99), [(22, 22, "203.0.113.9/32"), (1, 21, "0.0.0.0/0"), (23, 99, "0.0.0.0/0")]),
        (permission(22, 99), [(22, 22, "203.0.113.9/32"), (23, 99, "0.0.0.0/0")]),
        (permission(1, 22), [(22, 22, "203.0.113.9/32"), (1, 21, "0.0.0.0/0")]),
        (permission(1, 99, "10.0.0.0/8"), [(1, 99, "10.0.0.0/8")]),
        (permission(22, 22, "0.0.0.0/0"), [(22, 22, "0.0.0.0/0")]),
        (permission(1, 99, protocol="udp"), [(22, 22, "203.0.113.9/32"), (1, 99, "0.0.0.0/0")]),
    ],
)
def test_ssh_is_open_to_the_world_only_where_that_is_written(
    wanted: PermissionSettings, rules: list[tuple[int, int, str]]
) -> None:
    assert of(wanted) == rules


@pytest.mark.parametrize(
    ("wanted", "opens"),
    [
        (permission(22, 22), False),
        (permission(1, 65535), False),
        (permission(22, 22, "0.0.0.0/0"), True),
        (permission(1, 99, "10.0.0.0/0"), True),
        (permission(22, 22, "10.0.0.0/8"), False),
        (permission(80, 80, "0.0.0.0/0"), False),
    ],
)
def test_what_opens_ssh_to_the_world(wanted: PermissionSettings, opens: bool) -> None:
    assert sshrules.opens_to_world(wanted) is opens


def test_several_callers_have_a_rule_each_that_names_this_machine() -> None:
    rules = sshrules.rules(["203.0.113.9/32", "198.51.100.0/24"])
    assert ports(rules) == [(22, 22, "203.0.113.9/32"), (22, 22, "198.51.100.0/24")]
    assert {rule.description for rule in rules} == {f"ssh from {sshrules.this_machine()}"}
