"""sshrules: who may ssh, and how a machine that was lost is let in no more."""

from __future__ import annotations

import io
import json

import pytest

from starcluster.cluster.sshrules import rules, this_machine
from starcluster.model import Permission
from tests.fakes.ec2 import FakeEc2
from tests.unit.commands.conftest import Run

HOME, LOST, OTHER = "203.0.113.9/32", "198.51.100.7/32", "198.51.100.8/32"


def rule(cidr: str, said: str, port: int = 22) -> Permission:
    return Permission(protocol="tcp", from_port=port, to_port=port, cidr=cidr, description=said)


@pytest.fixture(autouse=True)
def _two_clusters(ec2: FakeEc2) -> None:
    for name in ("a", "b"):
        group = ec2.network.create_group(f"@sc-{name}", "")
        laptop, desk = rule(LOST, "ssh from laptop"), rule(OTHER, "ssh from desk")
        inside = Permission(protocol="-1", from_port=-1, to_port=-1, group_id=group.id)
        ec2.network.authorize(group.id, [inside, *rules([HOME]), laptop, desk])
    ec2.network.authorize(group.id, [rule("18.0.0.0/8", "lab"), rule("0.0.0.0/0", "web", 80), rule("10.1.1.1/32", "")])


def left(ec2: FakeEc2, name: str) -> set[str]:
    group = ec2.network.group(f"@sc-{name}")
    assert group is not None
    return {f"{one.description or '-'} {one.cidr}" for one in group.permissions if one.cidr}


MINE = f"ssh from {this_machine()} {HOME}"
HANDS = {"lab 18.0.0.0/8", "web 0.0.0.0/0", "- 10.1.1.1/32"}


def test_every_rule_is_shown_with_its_machine(run: Run) -> None:
    told = json.loads(run("sshrules", "--json").out)
    assert [(one["cluster"], one["machine"], one["cidr_ip"]) for one in told] == [
        ("a", this_machine(), HOME),
        ("a", "laptop", LOST),
        ("a", "desk", OTHER),
        ("b", this_machine(), HOME),
        ("b", "laptop", LOST),
        ("b", "desk", OTHER),
        ("b", None, "18.0.0.0/8"),
        ("b", None, "10.1.1.1/32"),
    ]
    assert [one["cidr_ip"] for one in told if one["this_machine"]] == [HOME, HOME]
    out = run("sshrules", "b").out
    assert f"machine: {this_machine()} (this machine)\ncidr: {HOME}\nmade_by: the machine\n" in out
    assert "machine: N/A\ncidr: 18.0.0.0/8\nmade_by: [permission lab], or a person\n" in out
    assert out.endswith("Total: 5\n")


@pytest.mark.parametrize("word", ["laptop", LOST, "198.51.100.7"])
def test_a_lost_machine_is_let_in_no_more_anywhere(run: Run, ec2: FakeEc2, word: str) -> None:
    done = run("sshrules", "--remove", word, "-c")
    assert done.code == 0
    assert f"SSH to @sc-a is not open to {LOST} any more (laptop)" in done.out
    assert left(ec2, "a") == {MINE, f"ssh from desk {OTHER}"}
    assert left(ec2, "b") == {MINE, f"ssh from desk {OTHER}", *HANDS}


def test_of_a_named_cluster_only(run: Run, ec2: FakeEc2) -> None:
    before = left(ec2, "b")
    assert run("sshrules", "a", "-r", "laptop", "-r", "desk", "--yes").code == 0
    assert (left(ec2, "a"), left(ec2, "b")) == ({MINE}, before)


def test_all_but_this_machine(run: Run, ec2: FakeEc2) -> None:
    assert run("sshrules", "--remove-others", "-c").code == 0
    assert (left(ec2, "a"), left(ec2, "b")) == ({MINE}, {MINE, *HANDS})
    assert "No other machine is let in" in run("sshrules", "--remove-others", "-c").out


@pytest.mark.parametrize("word", ["lab", "18.0.0.0/8", "10.1.1.1", "nobody"])
def test_rules_that_no_machine_made_for_itself_are_not_taken(run: Run, ec2: FakeEc2, word: str) -> None:
    before = left(ec2, "b")
    done = run("sshrules", "--remove", word, "-c")
    assert done.code == 2
    assert "desk, laptop" in done.err
    assert left(ec2, "b") == before


def test_without_a_yes_nothing_is_taken(run: Run, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    before = left(ec2, "a")
    done = run("sshrules", "a", "--remove", "laptop")
    assert (done.code, "Let them in no more (y/n)? Aborting" in done.out) == (0, True)
    assert left(ec2, "a") == before


def test_a_cluster_that_does_not_exist(run: Run) -> None:
    assert run("sshrules", "none").code == 1
