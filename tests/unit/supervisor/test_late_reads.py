"""The record is read as it was a minute ago: a driver does not act by what it has itself overtaken."""

from __future__ import annotations

from starcluster.supervisor.execute import Settings
from starcluster.supervisor.loop import Ended
from tests.unit.supervisor.hostile_world import WISHED, Process, World


def rounds(world: World, driver: Process, count: int, pause: float = 5.0) -> None:
    for _ in range(count):
        driver.round()
        driver.set_ups()
        world.pass_time(pause)


def test_a_job_that_is_asked_for_again_is_not_over_because_its_old_outcome_is_still_read() -> None:
    world = World()
    first = Process(world, me="user@laptop/boot:1:1")
    rounds(world, first, 12)
    for name in WISHED:
        world.nodes[world.alive(name)[0].id].end(0)
    rounds(world, first, 30)
    assert first.site.results == dict.fromkeys(WISHED, Ended.FINISHED)
    world.lags["templates"].seconds, world.lags["templates"].mask = 60.0, 255
    again = Process(world, me="user@laptop/boot:2:1")
    again.site.executor.settings = Settings(again=True)
    rounds(world, again, 30)
    assert again.site.results == {}
    assert [world.nodes[one.id].ran for name in WISHED for one in world.alive(name)] == [[2], [2]]
    assert world.wrong == []


def test_a_new_name_is_not_held_up_by_a_record_that_shows_late() -> None:
    world = World()
    world.lags["templates"].seconds, world.lags["templates"].mask = 60.0, 255
    driver = Process(world, me="user@laptop/boot:1:1")
    rounds(world, driver, 3, pause=1)
    assert all(len(world.alive(name)) == 1 for name in WISHED)
    rounds(world, driver, 12)
    assert [len(world.instances(name)) for name in WISHED] == [1, 1]
    assert world.wrong == []
