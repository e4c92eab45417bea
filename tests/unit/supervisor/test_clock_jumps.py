"""Somebody sets the laptop's clock, or the master's: by eight hours, forwards or back. The steady clock counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster.namerecord import Lease
from starcluster.model import Instance, Market
from starcluster.supervisor.look import Look, Silent
from starcluster.supervisor.wishes import Fallback, Wish
from tests.fakes.ec2 import fake_error
from tests.unit.supervisor.stage import Scene, StepClock
from tests.unit.supervisor.world import wish

HOURS = 8 * 3600.0
JUMPS = pytest.mark.parametrize("jump", [HOURS, -HOURS])


class SetClock(StepClock):
    """Its wall time is off by `jump`."""

    jump = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.jump)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def scene(tmp_path: Path, clock: SetClock) -> Scene:
    made = Scene(tmp_path)
    made.clock = clock
    return made


@JUMPS
def test_a_running_command_is_left_alone(scene: Scene, clock: SetClock, jump: float) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    clock.jump = jump
    scene.rounds(driver, 40)
    assert len(scene.nodes()) == 1
    assert scene.agent().ran == [1]


@JUMPS
def test_an_instance_that_ec2_does_not_show_yet_is_not_taken_for_gone(
    scene: Scene, clock: SetClock, jump: float
) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 2)
    (node,) = scene.nodes()
    hidden = scene.ec2.instances.all.pop(node.id)
    clock.jump = jump
    scene.rounds(driver, 10)
    scene.ec2.instances.all[node.id] = hidden
    scene.rounds(driver, 10)
    assert [one.id for one in scene.nodes()] == [node.id]


@JUMPS
def test_the_full_price_is_paid_after_spot_max_wait_and_not_before(scene: Scene, clock: SetClock, jump: float) -> None:
    for _ in range(40):
        scene.ec2.fail_next("instances.launch", fake_error("InsufficientInstanceCapacity"))
    driver = scene.driver(wish(fallback=Fallback.ON_DEMAND, spot_max_wait=1800))
    scene.rounds(driver, 5)
    clock.jump = jump
    asked: list[Market] = []
    original = scene.machines.launch_request

    def noting(**words: Any) -> Any:
        asked.append(words["intent"].pool.market)
        return original(**words)

    scene.machines.launch_request = noting  # type: ignore[method-assign]
    scene.rounds(driver, 28, pause=60)
    assert set(asked) == {Market.SPOT}
    scene.rounds(driver, 12, pause=60)
    assert Market.ON_DEMAND in asked


def test_a_driver_started_anew_goes_on_counting(scene: Scene) -> None:
    for _ in range(40):
        scene.ec2.fail_next("instances.launch", fake_error("InsufficientInstanceCapacity"))
    asked = wish(fallback=Fallback.ON_DEMAND, spot_max_wait=1800)
    scene.rounds(scene.driver(asked), 20, pause=60)
    again = scene.driver(asked)
    scene.rounds(again, 3)
    look = again.sites[0].look
    assert look is not None
    assert look.names["mynode"].asking_for >= 1000


def test_an_old_report_is_no_fresh_one_though_the_masters_clock_says_so(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    scene.agent().reachable = False  # its last report stays on the shared volume, of age 0 by a clock that was set back
    scene.rounds(driver, 3, pause=60)
    look = driver.sites[0].look
    assert look is not None
    assert isinstance(look.names["mynode"].answer, Silent)


@pytest.mark.parametrize("asleep", ["stopped", "suspended"])
def test_a_driver_that_slept_between_look_and_lease_takes_nothing_back(
    scene: Scene, clock: SetClock, asleep: str
) -> None:
    """A stopped process wakes with its steady clock hours on, a suspended laptop with its wall clock hours on."""
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    (site,) = driver.sites
    asked = site.observer.look

    def look_and_sleep(wishes: Sequence[Wish]) -> Look:
        found = asked(wishes)
        clock.jump += 8 * 3600 if asleep == "suspended" else 0
        clock.sleep(8 * 3600 if asleep == "stopped" else 0)
        record = scene.records.get("mynode")
        scene.records.change(record, lease=Lease(holder="other@there:1:1", until=clock.now()))
        return found

    clock.sleep(0.6 * 180)  # the lease wants to be renewed
    site.observer.look = look_and_sleep
    driver.round(site)
    lease = scene.records.get("mynode").lease
    assert lease.holder == "other@there:1:1"


def test_time_in_which_nobody_looked_is_no_silence(scene: Scene, clock: SetClock) -> None:
    """A driver that was stopped, or late, at its second doubt: it has looked twice, whatever the clock says."""
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    scene.agent().reachable = scene.machines.shared = False
    for _ in range(3):
        scene.rounds(driver, 1)
        clock.sleep(HOURS)
    scene.rounds(driver, 1)
    assert len(scene.alive()) == 1
    scene.rounds(driver, 40, pause=15)
    assert len(scene.nodes()) == 1
    scene.rounds(driver, 20, pause=15)
    assert len(scene.nodes()) == 2


def test_a_short_limit_of_silence_wants_several_looks_too(scene: Scene) -> None:
    driver = scene.driver(wish(silent_limit=60))
    scene.rounds(driver, 8)
    scene.agent().reachable = scene.machines.shared = False
    scene.rounds(driver, 4, pause=600)
    assert len(scene.alive()) == 1
    scene.rounds(driver, 3, pause=600)
    assert len(scene.nodes()) == 2


def test_a_set_up_that_failed_because_the_driver_slept_is_no_hopeless_one(scene: Scene, clock: SetClock) -> None:
    driver = scene.driver(wish())
    set_up = scene.machines.set_up

    def cut(instance: Instance, *, drives: object, progress: Callable[[str], None]) -> Instance:
        scene.machines.set_up = set_up  # type: ignore[method-assign]
        driver.sites[0].observer.look([wish()])
        clock.sleep(HOURS)
        raise exception.SSHConnectionError("the connection was closed meanwhile")

    scene.machines.set_up = cut  # type: ignore[method-assign]
    scene.rounds(driver, 12)
    assert len(scene.nodes()) == 1
    assert scene.agent().ran == [1]
