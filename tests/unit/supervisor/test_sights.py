"""An instance that EC2 has forgotten: who asks again gets another one, who slept meanwhile asks the user."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from starcluster.model import Instance, InstanceState, Market
from starcluster.supervisor.loop import Driver, Ended
from starcluster.supervisor.noderules import BY_USER
from starcluster.supervisor.sights import Sights
from tests.unit.supervisor.hostile_world import Process, World
from tests.unit.supervisor.stage import Scene
from tests.unit.supervisor.world import instance, record, wish


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def working(scene: Scene, market: Market, me: str = "me@here:1:1") -> Driver:
    driver = scene.driver(wish(market=market), me=me)
    scene.rounds(driver, 8)
    assert scene.agent().ran == [1]
    return driver


def forget(scene: Scene) -> Instance:
    """It was ended while nobody looked, longer ago than EC2 remembers."""
    scene.clock.sleep(8 * 3600)
    return scene.ec2.instances.all.pop(scene.alive()[0].id)


def test_who_slept_does_not_undo_what_a_person_may_have_done(scene: Scene) -> None:
    driver = working(scene, Market.ON_DEMAND)
    lost = forget(scene)
    scene.rounds(driver, 8, pause=60)
    assert driver.sites[0].results == {"mynode": Ended.USER_MUST_ACT}
    hold = driver.sites[0].holds["mynode"]
    assert hold.because.startswith(f"its on-demand instance {lost.id} is gone, and EC2 tells no more whether a person")
    assert hold.hint == "to go on, ask again: starcluster train mynode"
    assert not scene.nodes()


def test_who_asks_again_gets_another_one(scene: Scene) -> None:
    working(scene, Market.ON_DEMAND)
    forget(scene)
    again = scene.driver(wish(market=Market.ON_DEMAND))
    scene.rounds(again, 16, pause=60)
    assert len(scene.alive()) == 1
    assert scene.agent().ran == [2]


def test_a_spot_instance_goes_by_itself_so_the_work_goes_on(scene: Scene) -> None:
    driver = working(scene, Market.SPOT)
    lost = forget(scene)
    scene.ec2.instances.all[lost.id] = lost
    scene.ec2.instances.die(lost.id)
    del scene.ec2.instances.all[lost.id]
    scene.rounds(driver, 16, pause=60)
    assert len(scene.alive()) == 1


def test_what_a_person_ends_is_not_undone_by_the_driver_that_stood_by(scene: Scene) -> None:
    first = working(scene, Market.ON_DEMAND)
    second = scene.driver(wish(market=Market.ON_DEMAND), me="other@there:1:1")
    scene.rounds(second, 2)
    scene.ec2.instances.terminate([scene.alive()[0].id])
    scene.ec2.advance()
    scene.rounds(first, 2)
    assert first.sites[0].results == {"mynode": Ended.USER_MUST_ACT}
    scene.rounds(second, 4, pause=100)
    assert second.sites[0].results == {"mynode": Ended.USER_MUST_ACT}
    assert not scene.alive()


def test_the_adversary_ends_it_while_the_driver_sleeps() -> None:
    world = World()
    driver = Process(world, me="user@laptop/boot:1:1")
    for _ in range(12):
        driver.round()
        driver.set_ups()
        world.pass_time(10)
    (node,) = world.alive("other")
    world.person_ends(node.id)
    driver.sleep(8 * 3600)
    for _ in range(60):
        driver.round()
        world.pass_time(10)
    assert world.wrong == []
    assert driver.site.results == {"other": Ended.USER_MUST_ACT}
    assert not world.alive("other")


def one(state: InstanceState, reason: str = "") -> Instance:
    return replace(instance(1, state, reason=reason), market=Market.ON_DEMAND)


def seen(*states: Instance) -> Sights:
    sights = Sights()
    for each in states:
        sights.note([each], {"i-1"})
    sights.note([], {"i-1"})
    return sights


def test_what_was_seen_to_end_by_itself_is_explained() -> None:
    alive, name = one(InstanceState.RUNNING), record()
    assert seen(alive).is_unexplained(name, [])
    assert not seen(alive).is_unexplained(name, [alive])
    assert not seen(alive, one(InstanceState.TERMINATED, "Server.InternalError")).is_unexplained(name, [])
    assert not seen(alive, one(InstanceState.TERMINATED)).is_unexplained(name, [])
    assert seen(alive, one(InstanceState.TERMINATED, BY_USER)).is_unexplained(name, [])
    assert seen(alive, one(InstanceState.SHUTTING_DOWN, "Server.InternalError")).is_unexplained(name, [])
    assert not seen(alive).is_unexplained(record(born=""), [])
    assert not seen(alive).is_unexplained(None, [])


def test_what_was_gone_when_the_user_asked_is_settled_unless_it_shows_up_late() -> None:
    alive, name = one(InstanceState.RUNNING), record()
    sights = seen(alive)
    sights.note_asked(name, [])
    assert not sights.is_unexplained(name, [])
    sights.note([alive], {"i-1"})
    assert sights.is_unexplained(name, [])
    sights.note_asked(name, [alive])
    assert sights.is_unexplained(name, [])


def test_what_no_record_names_and_ec2_does_not_show_is_forgotten() -> None:
    sights = seen(one(InstanceState.RUNNING))
    assert sights.has_seen_alive("i-1")
    sights.note([], {"i-2"})
    assert not sights.has_seen_alive("i-1")
