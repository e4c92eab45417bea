"""Scenarios carried out, on a cloud that only counts."""

from __future__ import annotations

from typing import Any

import pytest

from starcluster.localcloud import control
from starcluster.localcloud.api.faults import Command, Fault, Faults, When
from starcluster.localcloud.scenario.play import Play, Told
from starcluster.localcloud.scenario.script import read

Node = dict[str, Any]


def node(instance: str, state: str = "running", alias: str = "n", cluster: str = "c") -> Node:
    return {"instance_id": instance, "state": state, "tags": {"@sc-cluster": cluster, "alias": alias}}


class Counting:
    """A cloud of speed 10 whose clock goes on when somebody sleeps; `films` are its nodes, by wall second."""

    speed = 10.0

    def __init__(self) -> None:
        self.clock = 0.0
        self.asked: list[tuple[float, str, dict[str, Any]]] = []
        self.films: dict[float, list[Node]] = {0.0: []}
        self.working: set[str] = set()
        self.parked: dict[int, float] = {}
        self.orders: dict[int, dict[str, Any]] = {}
        self.did: list[str] = []

    def now(self) -> float:
        return self.clock

    def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def ask(self, op: str, **arguments: Any) -> dict[str, Any]:
        if op == "status":
            return {"nodes": self.films[max(at for at in self.films if at <= self.clock)]}
        if op == "holds":
            return {"holds": [{"number": n, "parked": self.clock >= self.parked.get(n, 1e9)} for n in self.orders]}
        self.asked.append((round(self.clock * self.speed), op, arguments))
        if op == "hold":
            self.orders[len(self.orders) + 1] = arguments
            return {"hold": len(self.orders)}
        if op == "release":
            self.orders.pop(arguments["hold"], None)
        if op == "price":
            raise control.LocalCloudError("no such type")
        return {}

    def is_working(self, instance_id: str) -> bool:
        return instance_id in self.working

    def kill(self, what: str) -> None:
        self.did.append(what)
        self.orders.clear()

    def shell(self, command: str) -> None:
        self.did.append(command)


def play(text: str, world: Counting, limit: float | None = None) -> tuple[list[Told], Play]:
    run = Play(read(text), world)
    return list(run.run(limit=limit)), run


def test_what_is_to_happen_at_a_time_does_in_ec2_seconds() -> None:
    world = Counting()
    world.films = {0.0: [node("i-1")]}
    told, _ = play("at 20: interrupt c/N notice=30\nat 10: capacity t 0 market=all", world)
    assert world.asked == [
        (10, "capacity", {"type": "t", "count": 0, "market": "all"}),
        (20, "interrupt", {"instance_id": "i-1", "notice": 30}),
    ]
    assert [one.step.line for one in told] == [2, 1]
    assert told[0].seconds == pytest.approx(10, abs=1)
    assert told[0].plain["done"] is True


def test_an_act_that_fails_is_told_and_the_rest_goes_on() -> None:
    world = Counting()
    told, run = play("at 0: interrupt c/n\nat 0: price t 1\nat 1: lag 60", world)
    assert [one.error for one in told] == ["cluster 'c' has no running node 'n'", "no such type", ""]
    assert "error" not in told[2].plain
    assert world.asked[-1][1:] == ("lag", {"seconds": 6.0})
    assert run.steps_left == []


def test_a_dead_node_of_that_name_is_not_interrupted_again() -> None:
    world = Counting()
    world.films = {0.0: [node("i-0", "shutting-down"), node("i-1"), node("i-2", cluster="other")]}
    play("at 0: crash c/n", world)
    assert world.asked[-1][2] == {"instance_id": "i-1"}


def test_a_call_is_held_while_the_act_is_done_and_let_go_then() -> None:
    world = Counting()
    world.parked = {1: 2.0}
    told, _ = play("after call 3 of RunInstances: hold 40\nafter call 3 of RunInstances: run true", world)
    assert world.asked == [
        (0, "hold", {"action": "RunInstances", "nth": 3, "when": "after"}),
        (60, "release", {"hold": 1}),
    ]
    assert world.did == ["true"]
    assert told[1].seconds == pytest.approx(60, abs=1)


def test_a_command_is_held_and_let_go() -> None:
    world = Counting()
    world.parked = {1: 2.0}
    play("before command 2 of tool given 'a: b': run true", world)
    order = {"command": "tool", "given": "a: b", "nth": 2, "when": "before"}
    assert world.asked == [(0, "hold", order), (20, "release", {"hold": 1})]
    assert world.did == ["true"]


def test_a_command_is_made_to_fail() -> None:
    world = Counting()
    play("at 0: fail tool given=x status=3\nat 1: fail tool reset=yes when=after\nat 2: fail tool reset=no", world)
    assert [(op, arguments) for _, op, arguments in world.asked] == [
        ("fault", {"command": "tool", "code": "Failed", "status": 3, "given": "x"}),
        ("fault", {"command": "tool", "code": "ConnectionReset", "status": 1, "when": "after"}),
        ("fault", {"command": "tool", "code": "Failed", "status": 1}),
    ]


def test_the_nth_instance_is_awaited_and_its_command() -> None:
    world = Counting()
    world.films = {0.0: [node("i-1", "pending")], 1.0: [node("i-1")], 2.0: [node("i-1", "terminated")]}
    world.films |= {3.0: [node("i-2", "pending")], 4.0: [node("i-2")]}
    world.working = {"i-1", "i-2"}
    text = """when c/n is pending: run p1
              when c/n is working for 5: run w1
              when c/n is pending on instance 2: run p2
              when c/n is running on instance 2: run r2"""
    told, _ = play(text, world)
    assert world.did == ["p1", "w1", "p2", "r2"]
    assert [round(one.seconds) for one in told] == pytest.approx([0, 15, 30, 40], abs=1)


def test_a_running_instance_without_its_command_is_not_working() -> None:
    world = Counting()
    world.films = {0.0: [node("i-1")]}
    told, run = play("when c/n is working: clear", world, limit=50)
    assert [one.error for one in told] == ["its time has not come"]
    assert [step.line for step in run.steps_left] == [1]


def test_a_killed_daemon_is_told_of_the_holds_again() -> None:
    world = Counting()
    world.parked = {1: 3.0}
    play("at 10: kill daemon\nbefore call 1 of CreateTags: run true", world)
    assert [op for _, op, _ in world.asked] == ["hold", "hold", "release"]
    assert world.did == ["daemon", "true"]


def test_holds_that_never_came_are_taken_back_at_the_end() -> None:
    world = Counting()
    _, run = play("before call 9 of CreateTags: clear", world, limit=10)
    assert world.orders == {}
    assert len(run.steps_left) == 1


def test_orders_about_actions_and_about_commands_do_not_meet() -> None:
    faults = Faults()
    command = Command(text="tool --all", given="RunInstances")
    faults.add(Fault(action="*", code="Throttling", status=503, message="", times=9, probability=1.0))
    faults.hold("tool", 1, When.BEFORE)
    assert faults.strike(command) is None
    assert faults.claim(command) is None
    faults.hold(Command(text="tool", given="Run"), 1, When.BEFORE)
    assert faults.claim("tool --all RunInstances") is None
    assert faults.claim(command) is not None


def test_commands_are_of_interest_as_long_as_an_order_names_them() -> None:
    faults, told = Faults(), []
    faults.changed = lambda: told.append(len(faults.commands()))
    faults.hold("RunInstances", 1, When.BEFORE)
    faults.watch(Command(text="a"))
    number = faults.hold(Command(text="b"), 1, When.BEFORE)
    faults.add(Fault(action=Command(text="c"), code="Failed", status=1, message="", times=1, probability=1.0))
    faults.strike(Command(text="c"))
    faults.release(number)
    faults.clear()
    assert told == [0, 1, 2, 3, 1, 0]


def test_every_order_counts_every_call() -> None:
    faults = Faults()
    faults.hold("RunInstances", 1, When.BEFORE)
    second = faults.hold("RunInstances", 2, When.AFTER)
    assert faults.claim("RunInstances") is not None
    found = faults.claim("RunInstances")
    assert found is not None
    assert found.number == second
