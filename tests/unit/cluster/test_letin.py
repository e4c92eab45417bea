"""A machine that has moved is let in again, its old address is not, and others' rules stay."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster import letin, sshrules, starting
from starcluster.cluster.cluster import Clusters
from starcluster.config.schema import PermissionSettings
from starcluster.model import Permission
from starcluster.ssh.dialer import TcpDialer
from starcluster.ssh.proxy import BastionDialer
from tests.fakes.ec2 import FakeEc2
from tests.unit.cluster.test_starting import begin, record_with

HERE, THERE, ELSEWHERE = "203.0.113.9/32", "198.51.100.7/32", "192.0.2.1/32"


def rule(cidr: str, said: str, first: int = 22, last: int = 22, protocol: str = "tcp") -> Permission:
    return Permission(protocol=protocol, from_port=first, to_port=last, cidr=cidr, description=said)


def ours(cidr: str) -> Permission:
    return sshrules.rules([cidr])[0]


@pytest.mark.parametrize(
    ("there", "callers", "added", "stale"),
    [
        ([ours(HERE)], [HERE], [], []),
        ([ours(HERE)], [THERE], [THERE], [HERE]),
        ([ours(HERE), ours(THERE)], [THERE], [], [HERE]),
        ([], [HERE, THERE], [HERE, THERE], []),
        # another machine's rule stays, and serves us too where it lets us in
        ([rule(HERE, "ssh from desk")], [THERE], [THERE], []),
        ([rule(HERE, "ssh from desk")], [HERE], [], []),
        ([rule(HERE, "ssh from desk"), ours(HERE)], [HERE], [], []),
        # a [permission] decides
        ([rule("10.0.0.0/8", "lan", 1, 100)], [THERE], [], []),
        ([rule("10.0.0.0/8", "lan", -1, -1, "-1")], [THERE], [], []),
        ([rule("10.0.0.0/8", "web", 80, 80)], [THERE], [THERE], []),
    ],
)
def test_what_changes(there: list[Permission], callers: list[str], added: list[str], stale: list[str]) -> None:
    more, less = sshrules.changes(there, callers)
    assert ([one.cidr for one in more], [one.cidr for one in less]) == (added, stale)


def ssh_open_to(ec2: FakeEc2) -> list[str]:
    [group] = ec2.network.all_groups.values()
    return [one.cidr for one in group.permissions if one.cidr]


def dial(clusters: Clusters) -> None:
    """As a verb does that was just started; nobody answers at that address."""
    with pytest.raises(OSError, match="refused"):
        clusters.get("c").access.dialer.dial("127.0.0.1", 1, 0.1)


def test_the_rule_follows_the_machine_and_the_user_is_told(
    clusters: Clusters, ec2: FakeEc2, cloud: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(clusters)
    dial(clusters)
    assert ssh_open_to(ec2) == [HERE]
    cloud.callers = lambda: (THERE,)
    capsys.readouterr()
    dial(clusters)
    assert ssh_open_to(ec2) == [THERE]
    out, err = capsys.readouterr()
    assert out == ""
    assert f"SSH to @sc-c is open to {THERE} now" in err
    assert f"SSH to @sc-c is not open to {HERE} any more" in err


def test_a_permission_that_shuts_this_machine_out_is_not_widened_but_told_once(
    clusters: Clusters, ec2: FakeEc2, capsys: pytest.CaptureFixture[str]
) -> None:
    lan = PermissionSettings(name="lan", from_port=22, to_port=22, cidr_ip="18.0.0.0/8")
    cluster = starting.start(clusters, "c", record_with(), (), (lan,), create_only=True)
    for one in (cluster, cluster, clusters.get("c")):
        with pytest.raises(OSError, match="refused"):
            one.access.dialer.dial("127.0.0.1", 1, 0.1)
        cluster.clock.sleep(61)
    assert ssh_open_to(ec2) == ["18.0.0.0/8"]
    told = f"SSH to @sc-c is open to 18.0.0.0/8 only ([permission lan]), and this machine comes from {HERE}"
    assert capsys.readouterr().err.count(told) == 2  # once for each command


@pytest.mark.parametrize(
    ("there", "callers", "out"),
    [
        ([rule("18.0.0.0/8", "lan")], [HERE], ["18.0.0.0/8"]),
        ([rule("203.0.113.0/24", "lan")], [HERE], []),
        ([rule("18.0.0.0/8", "lan"), rule("203.0.113.0/24", "desks")], [HERE], []),
        ([rule("18.0.0.0/8", "lan"), rule(HERE, "ssh from desk")], [HERE], []),
        ([rule("18.0.0.0/8", "lan")], [HERE, "18.1.0.0/16"], []),
        ([rule("::/0", "lan")], [HERE], ["::/0"]),
        ([rule("::/0", "lan")], ["2001:db8::1/128"], []),
        ([rule("18.0.0.0/8", "lan")], [], []),  # the Session Manager needs no rule
        ([rule("18.0.0.0/8", "web", 80, 80)], [HERE], []),
        ([ours(HERE)], [HERE], []),
        ([], [HERE], []),
    ],
)
def test_who_is_kept_out_by_a_permission(there: list[Permission], callers: list[str], out: list[str]) -> None:
    assert [one.cidr for one in sshrules.keeping_out(there, callers)] == out


def test_a_look_is_not_repeated_within_a_minute(clusters: Clusters, cloud: Any) -> None:
    asked: list[int] = []
    cloud.callers = lambda: (asked.append(1), (HERE,))[1]
    begin(clusters)
    asked.clear()
    cluster = clusters.get("c")
    for pause in (0, 30, 31):
        cluster.clock.sleep(pause)
        with pytest.raises(OSError, match="refused"):
            cluster.access.dialer.dial("127.0.0.1", 1, 0.1)
    assert len(asked) == 2


def test_listing_asks_nobody_where_we_are(clusters: Clusters, cloud: Any) -> None:
    begin(clusters)
    cloud.callers = lambda: pytest.fail("asked")
    assert clusters.get("c").nodes


@pytest.mark.parametrize("where", ["network.authorize", "callers"])
def test_ssh_is_tried_though_the_rule_can_not_be_changed(
    clusters: Clusters, ec2: FakeEc2, cloud: Any, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    begin(clusters)
    denied = exception.PermissionDenied("you may not", code="UnauthorizedOperation")
    cloud.callers = lambda: (THERE,)
    if where == "callers":
        cloud.callers = lambda: (_ for _ in ()).throw(denied)
    else:
        ec2.fail_next(where, denied)
    dial(clusters)
    assert ssh_open_to(ec2) == [HERE]
    assert ("can not be opened" in capsys.readouterr().err) is (where != "callers")


def test_behind_a_bastion_it_is_the_bastion_that_is_let_in(clusters: Clusters, ec2: FakeEc2) -> None:
    gate = begin(clusters, tag="gate").master_node
    cloud: Any = SimpleNamespace(
        dialer=BastionDialer(host="gate"), callers=lambda: (f"{gate.ip_address}/32", "10.0.0.0/8")
    )
    assert letin.callers(cloud, ec2) == (f"{gate.ip_address}/32", "10.0.0.0/8", f"{gate.private_ip_address}/32")  # type: ignore[arg-type]
    cloud.dialer = TcpDialer()
    assert letin.callers(cloud, ec2) == (f"{gate.ip_address}/32", "10.0.0.0/8")  # type: ignore[arg-type]
