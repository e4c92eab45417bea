"""A driver is stopped within a launch, another one goes on, and the first one wakes in the middle of its call.

Tags can not be compared and set, so its write may come late. What must not be: an instance too many that lives on.
"""

from __future__ import annotations

import pytest

from starcluster.model import InstanceState
from tests.fakes.hostile import Fate
from tests.unit.supervisor.hostile_world import Process, World

WRITES = range(4)  # of a launch: the intent, the call itself, the instance's id; and what comes after


class Night:
    """The first driver sleeps before its n-th write; the second one does `rounds` meanwhile."""

    def __init__(self, *, suspended: bool) -> None:
        self.world = World()
        self.suspended, self.slept = suspended, 0
        self.first = Process(self.world, me="user@laptop1/boot:1:1")
        self.rounds(40, self.first)
        assert self.works("mynode")

    def rounds(self, count: int, *drivers: Process) -> None:
        for _ in range(count):
            for one in drivers:
                one.round()
                one.set_ups()
            self.world.pass_time(10)

    def works(self, name: str) -> bool:
        alive = self.world.alive(name)
        return len(alive) == 1 and self.world.nodes[alive[0].id].works

    def launch(self, write: int, meanwhile: str) -> None:
        (node,) = self.world.alive("mynode")
        self.world.die(node.id, "Server.SpotInstanceTermination")
        self.rounds(1)
        self.world.pass_time(60)
        self.second = Process(self.world, me="user@laptop2/boot:1:1")
        self.first.gate._other = lambda: self._sleep(meanwhile)
        self.first.gate.expect({}, {write: Fate.OTHER})
        self.rounds(20, self.first)

    def _sleep(self, meanwhile: str) -> None:
        self.slept += 1
        began = self.world.time
        if meanwhile == "refused":
            self.world.ec2.refuse("InsufficientInstanceCapacity")
        self.rounds(25, self.second)
        self.world.ec2.relent()
        self.rounds(45, self.second)
        if meanwhile == "lost again":
            for one in self.world.alive("mynode"):
                self.world.die(one.id, "Server.SpotInstanceTermination")
            self.rounds(30, self.second)
        assert self.works("mynode"), self.second.site.said
        if self.suspended:
            self.first.clock.slept += self.world.time - began


@pytest.mark.parametrize("meanwhile", ["", "refused", "lost again"])
@pytest.mark.parametrize("write", WRITES)
def test_no_instance_too_many_lives_on(write: int, meanwhile: str) -> None:
    night = Night(suspended=write % 2 == 0)  # else stopped: then its steady clock has gone on
    night.launch(write, meanwhile)
    assert night.slept == 1
    night.rounds(60, night.first, night.second)
    held = {**night.first.site.results, **night.second.site.results}
    assert held == {}, [*night.first.site.holds.values(), *night.second.site.holds.values()]
    assert night.works("mynode")
    assert night.works("other")
    costly = [one for one in night.world.ec2.instances.all.values() if one.state is not InstanceState.TERMINATED]
    assert len(costly) == len(night.world.strangers) + 1 + 2, "the strangers, the master, two names"
    assert [one for one in night.world.wrong if "runs twice" in one or "whose command runs" in one] == []
