"""New nodes are told to the others many at once, and one that can not be told keeps nobody from knowing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace

from starcluster import exception
from starcluster.supervisor.introducer import Introducer


def node(alias: str) -> SimpleNamespace:
    return SimpleNamespace(alias=alias, id=f"i-{alias}")


class Town:
    def __init__(self, size: int) -> None:
        self.nodes = [node(f"n{number}") for number in range(size)]
        self.told: dict[str, list[list[str]]] = {one.alias: [] for one in self.nodes}
        self.lock = threading.Lock()
        self.dead = ""
        self.asked = 0

    def others(self) -> list[SimpleNamespace]:
        self.asked += 1
        if self.dead == "EC2":
            raise exception.TransientError("away")
        return self.nodes

    def tell(self, other: SimpleNamespace, news: Sequence[SimpleNamespace]) -> None:
        if other.alias == self.dead:
            raise exception.SSHConnectionError("dead")
        with self.lock:
            self.told[other.alias].append([one.alias for one in news])


def test_many_at_once_are_told_in_one_go() -> None:
    town = Town(20)
    jobs: list[Callable[[], None]] = []
    introducer = Introducer(town.others, town.tell, jobs.append)
    for one in town.nodes:
        introducer.add(one)
    assert len(jobs) == 1
    jobs.pop()()
    assert town.asked == 1
    for one in town.nodes:
        assert town.told[one.alias] == [[other.alias for other in town.nodes if other is not one]]


def test_what_comes_while_others_are_told_is_told_after_them() -> None:
    town = Town(2)
    jobs: list[Callable[[], None]] = []
    late = node("late")
    first = town.tell

    def tell(other: SimpleNamespace, news: Sequence[SimpleNamespace]) -> None:
        if not any(town.told.values()):
            introducer.add(late)
        first(other, news)

    introducer = Introducer(town.others, tell, jobs.append)
    introducer.add(town.nodes[1])
    jobs.pop()()
    assert town.told == {"n0": [["n1"], ["late"]], "n1": [["late"]]}
    introducer.add(town.nodes[0])
    assert len(jobs) == 1, "after its end it is begun anew"


def test_the_dead_are_left_and_trouble_with_ec2_ends_nothing() -> None:
    town = Town(3)
    introducer = Introducer(town.others, town.tell, lambda job: job())
    town.dead = "n1"
    introducer.add(town.nodes[0])
    assert town.told == {"n0": [], "n1": [], "n2": [["n0"]]}
    town.dead = "EC2"
    introducer.add(town.nodes[0])
    town.dead = ""
    introducer.add(town.nodes[2])
    assert town.told["n1"] == [["n2"]]
