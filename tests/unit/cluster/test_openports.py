"""How the group's rules follow the [permission] sections: what is opened, what is shut, and what is never touched."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starcluster.cluster import openports, record, reloading, sshrules, starting
from starcluster.cluster.cluster import Clusters
from starcluster.cluster.openports import following, recorded, shown
from starcluster.cluster.record import RuleRecord
from starcluster.config.schema import ClusterTemplate, PermissionSettings
from starcluster.model import Permission
from starcluster.ssh import keys
from tests.fakes.ec2 import FakeEc2
from tests.unit.cluster.conftest import record_with


def section(name: str, first: int, cidr: str = "203.0.113.0/24", last: int = 0) -> PermissionSettings:
    return PermissionSettings(name=name, from_port=first, to_port=last or first, cidr_ip=cidr)


def rule(said: str, port: int, cidr: str = "203.0.113.0/24") -> Permission:
    return Permission(protocol="tcp", from_port=port, to_port=port, cidr=cidr, description=said)


WEB, LAB, SSH = section("web", 80), section("lab", 8888), section("desk", 22, "18.0.0.0/8")


@pytest.mark.parametrize(
    ("before", "after", "there", "added", "taken"),
    [
        ([], [WEB], [], ["tcp 80 from 203.0.113.0/24"], []),
        ([WEB], [WEB], [rule("web", 80)], [], []),
        ([WEB], [], [rule("web", 80)], [], ["tcp 80 from 203.0.113.0/24"]),
        ([WEB], [LAB], [rule("web", 80)], ["tcp 8888 from 203.0.113.0/24"], ["tcp 80 from 203.0.113.0/24"]),
        # what was shut by hand is opened again, what is shut already is not shut twice
        ([WEB], [WEB], [], ["tcp 80 from 203.0.113.0/24"], []),
        ([WEB], [], [], [], []),
        # another's rule: made by hand, by a plugin, by a person in the place of ours
        ([], [], [rule("web", 80), rule("", 81)], [], []),
        ([WEB], [], [rule("", 80)], [], []),
        ([WEB], [], [rule("for the demo", 80)], [], []),
        # EC2 keeps a range by its first address
        ([section("web", 80, "203.0.113.9/24")], [section("web", 80, "203.0.113.9/24")], [rule("web", 80)], [], []),
        ([section("web", 80, "203.0.113.9/24")], [], [rule("web", 80)], [], ["tcp 80 from 203.0.113.0/24"]),
    ],
)
def test_what_comes_and_goes(
    before: list[PermissionSettings],
    after: list[PermissionSettings],
    there: list[Permission],
    added: list[str],
    taken: list[str],
) -> None:
    found = following(recorded(before), recorded(after), there)
    assert ([shown(one) for one in found.added], [shown(one) for one in found.taken]) == (added, taken)


@pytest.mark.parametrize(
    ("before", "there", "ours"),
    [
        ([], [], ["web"]),
        ([WEB], [rule("web", 80)], ["web"]),
        ([], [rule("web", 80)], ["web"]),  # of a cluster whose record does not tell, or of a reload that was killed
        ([], [rule("for the demo", 80)], []),
    ],
)
def test_a_rule_that_was_there_before_us_does_not_become_ours(
    before: list[PermissionSettings], there: list[Permission], ours: list[str]
) -> None:
    assert [one.name for one in following(recorded(before), recorded([WEB]), there).ours] == ours


def test_where_a_permission_comes_to_decide_who_may_ssh_this_machines_own_rule_goes() -> None:
    mine, other = sshrules.rules(["203.0.113.9/32"])[0], rule("ssh from desk", 22, "192.0.2.1/32")
    assert list(following((), recorded([SSH]), [mine, other]).ssh) == [mine]
    assert following((), recorded([WEB]), [mine, other]).ssh == []


rules = st.builds(
    RuleRecord,
    name=st.sampled_from(["a", "b"]),
    protocol=st.sampled_from(["tcp", "udp"]),
    from_port=st.just(80),
    to_port=st.sampled_from([80, 81]),
    cidr=st.sampled_from(["10.0.0.0/8", "203.0.113.9/24"]),
)


@given(st.lists(rules), st.lists(rules), st.lists(rules), st.lists(rules))
def test_after_it_all_that_is_wanted_is_open_and_nothing_of_others_was_shut(
    before: list[RuleRecord], after: list[RuleRecord], ours: list[RuleRecord], others: list[RuleRecord]
) -> None:
    """`ours`: those of the record that are there still; of one key EC2 has one rule."""
    known = [one for one in ours if one in before]
    group = {openports._key(one): one for one in map(openports._permission, known)}
    for one in others:
        hand = dataclasses.replace(openports._permission(one), description="by hand")
        group.setdefault(openports._key(hand), hand)
    found = following(before, after, list(group.values()))
    left = [one for one in group.values() if one not in found.taken] + list(found.added)
    open_now = {openports._key(one) for one in left}
    wanted = {openports._key(openports._permission(one)) for one in after}
    assert wanted <= open_now
    assert {one for one in group.values() if one.description == "by hand"} <= set(left)
    again = following(found.ours, after, left)
    assert (again.added, again.taken, again.ours) == ([], [], found.ours)
    shut = following(found.ours, [], left)
    assert not any(one.description == "by hand" for one in shut.taken)


@pytest.fixture
def _key_pair(ec2: FakeEc2, key_file: Path) -> None:
    ec2.network.import_key("mykey", keys.get_public_key(keys.read_private_key(key_file)))


def open_to(ec2: FakeEc2) -> set[str]:
    [group] = ec2.network.all_groups.values()
    return {f"{one.from_port} {one.cidr}" for one in group.permissions if one.cidr}


@pytest.mark.usefixtures("_key_pair")
def test_a_running_clusters_ports_follow_its_template(
    clusters: Clusters, template: ClusterTemplate, ec2: FakeEc2
) -> None:
    wanted = record_with(cluster_size=2, rules=recorded([WEB]))
    starting.start(clusters, "c", wanted, [], [WEB], create_only=True)
    ec2.network.authorize(clusters.get("c").group.id, [rule("by hand", 9000)])
    for sections, ports in (
        ((LAB,), {"22 203.0.113.9/32", "8888 203.0.113.0/24", "9000 203.0.113.0/24"}),
        ((SSH,), {"22 18.0.0.0/8", "9000 203.0.113.0/24"}),
        ((), {"9000 203.0.113.0/24"}),
        ((section("same", 9000), LAB), {"8888 203.0.113.0/24", "9000 203.0.113.0/24"}),
        ((), {"9000 203.0.113.0/24"}),
    ):
        cluster = clusters.get("c")
        after = reloading.prepare(clusters, cluster, dataclasses.replace(template, permissions=sections))
        found = reloading.rules(cluster, after)
        assert len(reloading.changes_of_rules(found)) >= 1
        reloading.take_over(cluster, after, found)
        assert open_to(ec2) == ports
        kept = clusters.get("c").record.rules
        assert set(kept) == {one for one in recorded(sections) if one.name != "same"}


def test_the_record_keeps_the_rules(template: ClusterTemplate) -> None:
    whole = dataclasses.replace(template, permissions=(WEB, section("low", 20, "", 30)))
    kept = starting.record_of(whole, "c", zone="", volumes=[])
    assert [(one.name, one.from_port, one.to_port) for one in kept.rules] == [
        ("web", 80, 80),
        ("low", 20, 21),
        ("low", 23, 30),
    ]
    assert record.from_tags(record.to_tags(kept), tag="c") == kept
