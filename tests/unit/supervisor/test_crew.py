"""Many names at once: side by side, one act a name, and one that hangs holds up nobody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from starcluster.cluster.record import READY
from starcluster.model import LaunchRequest
from starcluster.supervisor import loop
from starcluster.supervisor.crew import Crew, Lane
from tests.fakes.ec2 import fake_error
from tests.unit.supervisor.stage import FakeShell, Scene
from tests.unit.supervisor.world import wish

LIMIT = 30  # how long a test that is broken may hang


@pytest.fixture
def crew() -> Iterator[Crew]:
    crew = Crew({Lane.ACTS: 4, Lane.LAUNCHES: 1})
    yield crew
    crew.close()


def test_names_are_acted_on_side_by_side(crew: Crew) -> None:
    met = threading.Barrier(4)
    for name in "abcd":
        crew.give(name, lambda: met.wait(LIMIT) and None)
    assert crew.settle(LIMIT)
    assert not met.broken


def test_there_are_no_more_hands_than_said(crew: Crew) -> None:
    lock, seen, now = threading.Lock(), [0], [0]
    go = threading.Event()

    def job() -> None:
        with lock:
            now[0] += 1
            seen[0] = max(seen[0], now[0])
            if now[0] == 4:
                go.set()
        go.wait(LIMIT)
        with lock:
            now[0] -= 1

    for number in range(20):
        crew.give(f"n{number}", job)
    assert crew.settle(LIMIT)
    assert seen == [4]


def test_a_lane_of_one_keeps_the_order(crew: Crew) -> None:
    done: list[str] = []
    for number in range(50):
        crew.give(f"n{number}", lambda number=number: done.append(number), Lane.LAUNCHES)  # type: ignore[misc]
    assert crew.settle(LIMIT)
    assert done == list(range(50))


def test_a_name_has_one_job_at_a_time_and_is_free_after_it_also_when_it_fails(crew: Crew) -> None:
    go, late = threading.Event(), threading.Event()
    crew.late = late.set
    crew.give("a", lambda: go.wait(LIMIT) and None)
    assert crew.is_busy("a")
    assert not crew.settle(0)
    with pytest.raises(ValueError, match="busy"):
        crew.give("a", lambda: None)
    go.set()
    assert late.wait(LIMIT), "the loop is woken by a job that it did not wait for"
    assert crew.busy == 0


def test_without_hands_a_job_is_done_at_once() -> None:
    done: list[int] = []
    Crew().give("a", lambda: done.append(1))
    assert done == [1]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_many_names_come_up_with_many_hands(scene: Scene) -> None:
    wanted = [wish(f"n{number}") for number in range(20)]
    driver = scene.driver(*wanted)
    site = driver.sites[0]
    site.crew = Crew({Lane.ACTS: 16, Lane.LAUNCHES: 4})
    try:
        for _ in range(12):
            driver.round(site)
            assert site.crew.settle(LIMIT)
            scene.clock.time += 5
    finally:
        site.crew.close()
    assert [len(scene.nodes(one.name)) for one in wanted] == [1] * 20
    assert [scene.agent(one.name).ran for one in wanted] == [[1]] * 20


def test_a_node_that_hangs_holds_up_its_own_name_only(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "PATIENCE", 0.05)
    driver = scene.driver(wish("bad"), wish("good"))
    site = driver.sites[0]
    go = threading.Event()
    asked: list[str] = []
    shell = scene.machines.shell

    def hanging(instance):  # type: ignore[no-untyped-def]
        made = shell(instance)
        return Hanging(made, go, asked) if instance.alias == "bad" else made

    scene.machines.shell = hanging  # type: ignore[method-assign]
    site.crew = Crew({Lane.ACTS: 4, Lane.LAUNCHES: 2})
    try:
        for _ in range(20):
            driver.round(site)
            if not asked:
                site.crew.settle(LIMIT)
            scene.clock.time += 5
        assert scene.agent("good").ran == [1]
        assert asked == ["run"], "the name is left alone until its act has ended"
        assert site.crew.is_busy("bad")
        go.set()
        assert site.crew.settle(LIMIT)
    finally:
        go.set()
        site.crew.close()
    assert scene.agent("bad").ran == [1]


class Hanging:
    """A shell whose answer to the order to run does not come."""

    def __init__(self, shell: FakeShell, go: threading.Event, asked: list[str]) -> None:
        self._shell, self._go, self._asked = shell, go, asked

    def run(self, command: str, *, data: bytes = b"", timeout: float | None = None) -> tuple[int, bytes, bytes]:
        if b'"op": "run"' in data:
            self._asked.append("run")
            self._go.wait(LIMIT)
        return self._shell.run(command, data=data, timeout=timeout)


def test_a_dry_pool_is_asked_once_for_all_names(scene: Scene) -> None:
    scene.ec2.refuse()
    asked: list[LaunchRequest] = []
    check = scene.ec2.check_capacity
    scene.ec2.check_capacity = lambda request: (asked.append(request), check(request))[1]  # type: ignore[method-assign]
    driver = scene.driver(*[wish(f"n{number}") for number in range(10)])
    scene.rounds(driver, 3, pause=1)
    assert len(asked) == 1
    scene.ec2.relent()
    scene.rounds(driver, 12, pause=30)
    assert all(len(scene.nodes(f"n{number}")) == 1 for number in range(10))


def test_an_unexpected_fault_of_one_name_stops_no_other(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    driver = scene.driver(wish("bad"), wish("good"))
    launch_request = scene.machines.launch_request

    def broken(**words):  # type: ignore[no-untyped-def]
        if words["alias"] == "bad":
            raise KeyError("odd")
        return launch_request(**words)

    scene.machines.launch_request = broken  # type: ignore[method-assign]
    scene.rounds(driver, 10)
    assert scene.agent("good").ran == [1]
    assert "bad: unexpected: KeyError('odd')" in capsys.readouterr().out
    scene.machines.launch_request = launch_request  # type: ignore[method-assign]
    scene.rounds(driver, 20, pause=60)
    assert scene.agent("bad").ran == [1]


def test_the_master_is_not_asked_before_a_node_of_ours_is_set_up(scene: Scene) -> None:
    orders: list[str] = []
    look = scene.machines._look
    scene.machines._look = lambda order: (orders.append(order["op"]), look(order))[1]  # type: ignore[method-assign]
    scene.machines.fail_set_up = [fake_error("RequestLimitExceeded")]
    driver = scene.driver(wish())
    scene.rounds(driver, 3)
    assert not orders
    scene.rounds(driver, 10)
    assert orders


def test_a_set_up_that_ends_during_a_look_is_not_begun_again(scene: Scene) -> None:
    driver = scene.driver(wish())
    executor, observer = driver.sites[0].executor, driver.sites[0].observer
    jobs = []
    executor.set_ups._spawn = jobs.append
    scene.rounds(driver, 3)
    find = scene.ec2.spot.find

    def ends_now(**words):  # type: ignore[no-untyped-def]
        while jobs:
            jobs.pop()()
        return find(**words)

    scene.ec2.spot.find = ends_now  # type: ignore[method-assign]
    scene.rounds(driver, 6)
    assert not observer.busy
    assert len(scene.machines.set_ups) == 1


def test_a_node_whose_ready_tag_shows_late_is_not_set_up_again(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 3)
    (node,) = scene.alive()
    find = scene.ec2.instances.find

    def late(**words):  # type: ignore[no-untyped-def]
        return [replace(one, tags={k: v for k, v in one.tags.items() if k != READY}) for one in find(**words)]

    scene.ec2.instances.find = late  # type: ignore[method-assign]
    scene.rounds(driver, 10)
    assert scene.machines.set_ups == [node.id]
    assert not scene.agent().ran
    scene.ec2.instances.find = find  # type: ignore[method-assign]
    scene.rounds(driver, 5)
    assert scene.machines.set_ups == [node.id]
    assert scene.agent().ran == [1]


def test_all_leases_are_renewed_by_one_call(scene: Scene) -> None:
    driver = scene.driver(*[wish(f"n{number}") for number in range(20)])
    scene.rounds(driver, 10)
    scene.ec2.calls.clear()
    before = {f"n{number}": scene.record(f"n{number}").lease for number in range(20)}
    scene.ec2.calls.clear()
    scene.rounds(driver, 10, pause=20)
    written = [about for name, about in scene.ec2.calls if name.startswith("templates.tag")]
    assert 2 <= len(written) <= 3
    assert {len(about) for about in written} == {20}
    assert all(scene.record(name).lease != lease for name, lease in before.items())
