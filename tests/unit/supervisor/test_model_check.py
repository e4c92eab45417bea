"""Whatever befalls the cloud, the nodes, the network and the drivers: what must never be, is never.

Hypothesis plays the adversary: it makes up a story, and when one ends badly it finds the shortest that does.
"""

from __future__ import annotations

import logging

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from starcluster.model import Instance, InstanceState, Market
from starcluster.supervisor.loop import Ended
from tests.fakes.hostile import Fate
from tests.unit.supervisor.hostile_world import WISHED, Ear, Process, World

REASONS = ("Server.SpotInstanceTermination", "Client.InstanceInitiatedShutdown", "Server.InternalError", "")
ROUNDS = 120  # obedient ones, within which all must be well
CALM = 6  # in a row, in which nothing is written

fates = some.dictionaries(some.integers(0, 14), some.sampled_from(Fate), max_size=2)
skews = some.sampled_from([0.0, -30_000.0, 30_000.0])
on_writes = some.dictionaries(some.integers(0, 3), some.sampled_from(Fate), max_size=1)
counts = some.integers(1, 8)
which = some.integers(0, 5)
seconds = some.sampled_from([5.0, 20.0, 60.0, 200.0, 1000.0])


class Story(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.ear = Ear(self.world)
        self.log = logging.getLogger("starcluster")
        self.level = self.log.level
        self.log.addHandler(self.ear)
        self.log.setLevel(logging.ERROR)
        self.holders = 0
        self.events = 1
        self.last_holder = ""

    def teardown(self) -> None:
        try:
            self.end_well()
        finally:
            self.log.removeHandler(self.ear)
            self.log.setLevel(self.level)

    # the drivers

    def alive_drivers(self) -> list[Process]:
        return [one for one in self.world.drivers if not one.dead and one.site.wishes]

    def driver(self, number: int) -> Process:
        found = self.alive_drivers()
        return found[number % len(found)]

    @initialize(skew=skews, count=some.sampled_from([12, 12, 2, 0]))
    def first_driver(self, skew: float, count: int) -> None:
        """`count`: so far all goes well."""
        driver = self._begin(same=False, skew=skew)
        for _ in range(count):
            self._one_round(driver)

    @precondition(lambda self: len(self.alive_drivers()) < 2)
    @rule(
        same=some.booleans(), skew=some.sampled_from([0.0, -30_000.0, 30_000.0]), project=some.sampled_from(["", "p"])
    )
    def a_driver_begins(self, same: bool, skew: float, project: str) -> None:
        self._begin(same=same and not self.alive_drivers(), skew=skew, project=project)

    def _begin(self, *, same: bool, skew: float, project: str = "") -> Process:
        """`same`: on the machine of the one before, which is known to be dead."""
        self.events += 1
        if not (same and self.last_holder):
            self.holders += 1
            self.last_holder = f"user@laptop{self.holders}/boot:{self.holders}:1"
        return Process(self.world, me=self.last_holder, skew=skew, project=project)

    @precondition(lambda self: self.alive_drivers())
    @rule(
        number=which,
        count=some.integers(1, 8),
        fates=fates,
        writes=on_writes,
        work=some.booleans(),
        slow=some.booleans(),
    )
    def rounds(
        self, number: int, count: int, fates: dict[int, Fate], writes: dict[int, Fate], work: bool, slow: bool
    ) -> None:
        """`fates`: of the first calls of these rounds; `writes`: of the first that change something."""
        one = self.driver(number)
        self.events += len(fates) + len(writes)
        one.gate.expect(fates, writes)
        for _ in range(count):
            one.round()
            if work:
                one.set_ups()
            self.world.pass_time(one.pause if slow else 1.0)

    def _quiet_rounds(self, number: int) -> None:
        one = self.driver(number)
        one.gate.expect({})
        for _ in range(6):
            one.round()
            one.set_ups()
            self.world.pass_time(max(one.pause, 8.0))

    # what goes well is as much a part of a story as what does not: without it few stories get far
    @precondition(lambda self: self.alive_drivers())
    @rule(number=which)
    def all_goes_well(self, number: int) -> None:
        self._quiet_rounds(number)

    @precondition(lambda self: self.alive_drivers())
    @rule(number=which)
    def all_goes_well_still(self, number: int) -> None:
        self._quiet_rounds(number)

    @precondition(lambda self: self.alive_drivers())
    @rule(number=which)
    def all_goes_well_again(self, number: int) -> None:
        self._quiet_rounds(number)

    @precondition(lambda self: any(one.jobs for one in self.alive_drivers()))
    @rule(fates=fates)
    def set_ups(self, fates: dict[int, Fate]) -> None:
        for one in self.alive_drivers():
            one.gate.expect(fates)
            one.set_ups()

    @precondition(lambda self: self.alive_drivers())
    @rule(number=which)
    def a_driver_is_killed(self, number: int) -> None:
        self.driver(number).kill()

    @precondition(lambda self: self.alive_drivers())
    @rule(number=which)
    def a_laptop_sleeps(self, number: int) -> None:
        self.events += 3
        self.driver(number).sleep(8 * 3600)

    # the cloud

    @rule(seconds=seconds)
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(
        kind=some.sampled_from(["instances", "spot", "templates"]),
        seconds=some.sampled_from([10.0, 30.0, 60.0]),
        mask=some.integers(0, 255),
    )
    def reads_lag(self, kind: str, seconds: float, mask: int) -> None:
        self.world.lags[kind].seconds, self.world.lags[kind].mask = seconds, mask

    @rule(code=some.sampled_from(["", "InsufficientInstanceCapacity", "RequestLimitExceeded", "InternalError"]))
    def launches_are_refused(self, code: str) -> None:
        self.events += 1
        self.world.ec2.relent()
        if code:
            self.world.ec2.refuse(code)

    # the nodes

    def alive_nodes(self) -> list[Instance]:
        return [one for name in sorted(WISHED) for one in self.world.alive(name)]

    def node(self, number: int) -> Instance:
        found = self.alive_nodes()
        return found[number % len(found)]

    @precondition(lambda self: self.alive_nodes())
    @rule(number=which)
    def a_notice(self, number: int) -> None:
        self.events += 1
        one = self.node(number)
        if one.market is Market.SPOT and one.state is InstanceState.RUNNING:
            self.world.notice(one.id)

    @precondition(lambda self: self.alive_nodes())
    @rule(number=which, reason=some.sampled_from(REASONS))
    def sudden_death(self, number: int, reason: str) -> None:
        self.events += 1
        self.world.die(self.node(number).id, reason)

    @precondition(lambda self: self.alive_nodes())
    @rule(number=which)
    def a_person_ends_it(self, number: int) -> None:
        self.events += 1
        self.world.person_ends(self.node(number).id)

    @precondition(lambda self: self.alive_nodes())
    @rule(number=which)
    def a_person_stops_it(self, number: int) -> None:
        one = self.node(number)
        if one.market is Market.ON_DEMAND and one.state is InstanceState.RUNNING:
            self.events += 1
            self.world.ec2.instances.stop([one.id])
            self.world.pass_time(0)

    @precondition(lambda self: self.alive_nodes())
    @rule(number=which)
    def a_reboot(self, number: int) -> None:
        node = self.world.nodes[self.node(number).id]
        if node.up:
            node.reboot()

    @precondition(lambda self: self.alive_nodes())
    @rule(number=which, ways=some.sampled_from(["ssh, home", "ssh, home", "ssh", "home", ""]))
    def a_cut(self, number: int, ways: str) -> None:
        self.world.cut(self.node(number).id, ssh="ssh" in ways, home="home" in ways)

    @precondition(lambda self: self.alive_nodes())
    @rule(number=which)
    def the_agent_dies(self, number: int) -> None:
        """Its command goes on."""
        self.world.nodes[self.node(number).id].started = False

    @precondition(lambda self: self.alive_nodes())
    @rule(number=which)
    def a_hint_of_risk(self, number: int) -> None:
        self.world.nodes[self.node(number).id].rebalance = "2026-01-01T00:00:00Z"

    @precondition(lambda self: self.alive_drivers() and self.spot_nodes())
    @rule(number=which, count=some.integers(1, 8))
    def a_hint_and_what_is_done_about_it(self, number: int, count: int) -> None:
        """So many obedient rounds after it: the successor is asked for, boots, is made ready, takes over."""
        self.events += 1
        for one in self.spot_nodes():
            self.world.nodes[one.id].rebalance = "2026-01-01T00:00:00Z"
        for _ in range(count):
            self._one_round(self.driver(number))
            if not self.alive_drivers():
                return

    def spot_nodes(self) -> list[Instance]:
        return [one for one in self.alive_nodes() if one.market is Market.SPOT]

    @precondition(lambda self: any(self.world.nodes[one.id].works for one in self.alive_nodes()))
    @rule(number=which, status=some.sampled_from([0, 1, 127]))
    def a_command_ends(self, number: int, status: int) -> None:
        self.world.nodes[self.node(number).id].end(status)

    @rule(reachable=some.booleans(), home=some.booleans(), python=some.booleans())
    def the_master(self, reachable: bool, home: bool, python: bool) -> None:
        self.world.cut(self.world.master, ssh=not reachable, home=False)
        self.world.home_up, self.world.python = home, python

    # what must hold

    @invariant()
    def nothing_wrong(self) -> None:
        self.world.check()
        assert not self.world.wrong, self.world.wrong[0]

    @invariant()
    def launches_are_few(self) -> None:
        """A bucket that holds some for each thing that befell, and is refilled slowly."""
        allowed = len(WISHED) * (self.events + self.world.time / 60)
        assert len(self.world.launches) <= allowed, "paid calls run hot"

    def end_well(self) -> None:
        """The adversary rests: each name gets its command or a clear word, and then nothing is done any more."""
        self.nothing_wrong()
        self.world.rest()
        going_on = [one for one in self.alive_drivers() if not one.site.results]  # another may have taken up what ended
        for other in self.alive_drivers():
            if other is not (going_on or [None])[0]:
                other.kill()
        if not going_on:
            self._begin(same=True, skew=0.0)
        (driver,) = self.alive_drivers()
        self._obey(driver)
        if any(ended is Ended.USER_MUST_ACT for ended in driver.site.results.values()):
            for name, hold in driver.site.holds.items():
                assert hold.because, name
                assert hold.hint, name
            driver.kill()
            self._obey(self._begin(same=True, skew=0.0))

    def _obey(self, driver: Process) -> None:
        """Rounds until all has been well for a while and nothing was written meanwhile."""
        calm = 0
        for _ in range(ROUNDS):
            self.world.writes.clear()
            self._one_round(driver)
            calm = calm + 1 if self._is_well(driver) and not self.world.writes else 0
            if calm == CALM:
                return
        raise AssertionError(
            f"not well after {ROUNDS} rounds: {driver.site.said} {driver.site.results} {self.world.writes}"
        )

    def _one_round(self, driver: Process) -> None:
        driver.gate.expect({})
        driver.round()
        driver.set_ups()
        self.world.pass_time(max(driver.pause, 10.0))
        self.nothing_wrong()

    def _is_well(self, driver: Process) -> bool:
        return all(self._has_answer(driver, name) for name in WISHED)

    def _has_answer(self, driver: Process, name: str) -> bool:
        if name in driver.site.results:
            return driver.site.results[name] is Ended.USER_MUST_ACT or not self.world.alive(name)
        alive = self.world.alive(name)
        return len(alive) == 1 and self.world.nodes[alive[0].id].works


QUICK = settings(
    max_examples=100,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
DEEP = settings(QUICK, max_examples=3000, stateful_step_count=60, derandomize=False, print_blob=True)


def test_no_short_story_ends_badly() -> None:
    run_state_machine_as_test(Story, settings=QUICK)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_no_long_story_ends_badly() -> None:
    run_state_machine_as_test(Story, settings=DEEP)
