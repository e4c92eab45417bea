"""Instances that never become usable: another one, and after some in a row the user."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster import exception
from starcluster.clock import Clock
from starcluster.model import InstanceState
from starcluster.supervisor.loop import Ended
from starcluster.supervisor.memory import Memory
from tests.unit.supervisor.stage import Scene
from tests.unit.supervisor.world import wish


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def useless(count: int) -> list[Exception]:
    return [exception.VolumeStuck("vol-1 could not be attached\nmore") for _ in range(count)]


def test_an_instance_that_can_not_be_set_up_is_replaced(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.machines.fail_set_up = useless(8)
    scene.rounds(driver, 30, pause=60)
    first, second = scene.nodes()
    assert first.state is InstanceState.TERMINATED
    assert scene.machines.set_ups == [second.id]
    assert scene.agent().ran == [1]


def test_it_is_not_given_up_before_its_time(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.machines.fail_set_up = useless(5)
    scene.rounds(driver, 12, pause=60)
    assert len(scene.nodes()) == 1


def test_one_whose_ssh_never_opens_is_replaced_though_it_was_tried_twice_only(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    driver = scene.driver(wish())
    set_up = scene.machines.set_up
    tried: list[str] = []

    def shut(instance, *, drives, progress):  # type: ignore[no-untyped-def]
        if tried.count(instance.id) == len(tried) and len(tried) < 9:
            tried.append(instance.id)
            for _ in range(40):  # the driver looks on while the set-up waits beside it
                scene.clock.time += 15
                driver.sites[0].observer.look([wish()])
            raise exception.SSHNeverOpened(f"no SSH to mynode ({instance.id}) within 10 minutes")
        return set_up(instance, drives=drives, progress=progress)

    scene.machines.set_up = shut  # type: ignore[method-assign]
    scene.rounds(driver, 30, pause=30)
    assert len(tried) == 2
    assert "never became usable: no SSH to mynode" in capsys.readouterr().out
    assert scene.agent().ran == [1]


def test_after_three_in_a_row_the_user_is_to_look_and_the_last_one_stays(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.machines.fail_set_up = useless(100)
    scene.rounds(driver, 120, pause=60)
    assert driver.sites[0].results == {"mynode": Ended.USER_MUST_ACT}
    hold = driver.sites[0].holds["mynode"]
    assert hold.because.startswith("3 instances in a row could not be set up, the last is i-")
    assert hold.because.endswith("vol-1 could not be attached")
    assert "removenode mycluster mynode" in hold.hint
    assert len(scene.nodes()) == 3
    assert len(scene.alive()) == 1


def test_a_usable_one_begins_the_row_anew(scene: Scene) -> None:
    driver = scene.driver(wish())
    for _ in range(3):
        scene.machines.fail_set_up = useless(12)
        scene.rounds(driver, 70, pause=60)
        assert scene.agent().ran
        scene.lose(scene.alive()[0])
    assert not driver.sites[0].results


def test_a_node_without_python_is_told_with_what_it_needs(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.machines.python = False
    scene.rounds(driver, 40, pause=60)
    hold = driver.sites[0].holds["mynode"]
    assert "the node has no python3" in hold.because
    assert "Python 3.8" in hold.hint


def test_what_is_remembered_of_instances_that_are_gone_is_dropped() -> None:
    memory = Memory(Clock())
    old, new = "i-00000000000000001", "i-00000000000000002"
    for one in (old, new):
        memory.since("unready", one)
        memory.unchanged(("report", one), "1")
        memory.set_up_failures[one] = 1
        memory.set_up_errors[one] = "why"
    memory.since("failed", "i-am-a-name", "1")
    memory.forget_others({new})
    assert set(memory._first) == {("unready", new), ("failed", "i-am-a-name", "1")}
    assert set(memory._values) == {("report", new)}
    assert set(memory.set_up_failures) == set(memory.set_up_errors) == {new}


def test_a_machine_that_broke_was_ended_by_nobody_whatever_its_request_says(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    (node,) = scene.alive()
    scene.lose(node, "Server.InternalError")
    scene.ec2.spot.ended(node.id, "instance-terminated-by-user")
    scene.rounds(driver, 10)
    assert not driver.sites[0].results
    assert scene.agent().ran == [2]
