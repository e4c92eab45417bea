"""A node that has lost the shared /home: when it is waited for, mounted again, given up; and what failed of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from starcluster import exception
from starcluster.cluster.namerecord import Attempt
from starcluster.model import SpotRequest, SpotState
from starcluster.supervisor import actions as act
from starcluster.supervisor import agentlink
from starcluster.supervisor.board import row_of
from starcluster.supervisor.homerules import HANG_LIMIT, HOME_LIMIT, HOME_TRIES
from starcluster.supervisor.journal import Journal
from starcluster.supervisor.look import Home, HomeState, NameLook, NodePhase, RunState, Stamp
from starcluster.supervisor.plan import decide
from starcluster.supervisor.telling import tell_changes
from tests.unit.supervisor.stage import TAG, Scene
from tests.unit.supervisor.world import instance, known, look, record, report, run, wish

LOST = Home(state=HomeState.LOST, why="Transport endpoint is not connected")
HANGS = Home(state=HomeState.HANGS, why="it does not answer")


def working(home: Home, **more: object) -> NameLook:
    told = report(phase=NodePhase.RUNNING, run=run(), home=home)
    return known(record=record(attempt=Attempt(number=1, generation=1)), instances=(instance(),), answer=told, **more)


def now(case: NameLook, **more: object) -> act.Action:
    return decide(wish(max_restarts=0, check_interval=100), look(case, **more))


# the rule


@pytest.mark.parametrize("state", [HomeState.OK, HomeState.FULL])
def test_a_home_that_can_be_used_is_no_matter(state: HomeState) -> None:
    found = now(working(Home(state=state)))
    assert isinstance(found, act.Wait)
    assert found.because == "attempt 1 runs on i-1"


def test_a_lost_home_is_mounted_again_once_the_master_answers() -> None:
    waits = now(working(LOST), master_heard=False)
    assert isinstance(waits, act.Wait)
    assert "the master does not answer" in waits.because
    found = now(working(LOST))
    assert isinstance(found, act.SetUp)
    assert (found.instance_id, found.whole) == ("i-1", True)
    assert found.because == "i-1 has lost /home (Transport endpoint is not connected)"


def test_one_that_hangs_is_left_to_nfs_for_a_while() -> None:
    waits = now(working(HANGS, home_lost_for=HANG_LIMIT - 1))
    assert isinstance(waits, act.Wait)
    assert (waits.seconds, "NFS goes on by itself" in waits.because) == (15, True)
    assert isinstance(now(working(HANGS, home_lost_for=HANG_LIMIT)), act.SetUp)


def test_what_ec2_takes_is_not_mended() -> None:
    taken = SpotRequest(id="sir-1", state=SpotState.CLOSED, code="a-code", instance_id="i-1")
    assert "has lost /home" in now(working(LOST, requests=(taken,))).because
    draining = working(LOST)
    draining = replace(draining, answer=report(phase=NodePhase.DRAINING, run=run(), home=LOST))
    assert "asked to save its work" in now(draining).because


@pytest.mark.parametrize(
    ("tries", "seconds", "kind"),
    [
        (HOME_TRIES - 1, HOME_LIMIT, act.SetUp),
        (HOME_TRIES, HOME_LIMIT - 1, act.SetUp),
        (HOME_TRIES, HOME_LIMIT, act.Release),
    ],
)
def test_a_node_that_never_gets_it_back_is_replaced(tries: int, seconds: float, kind: type[act.Action]) -> None:
    found = now(working(LOST, set_up_failures=tries, home_lost_for=seconds, set_up_error="access denied"))
    assert isinstance(found, kind)
    if isinstance(found, act.Release):
        assert found.unusable
        assert found.because.endswith("it can not be mounted again: access denied")


def failed(home_lost: bool | None, *, status: int = 1, **more: float) -> NameLook:
    last = run(1, RunState.EXITED, exit=status, home_lost=home_lost)
    mine = record(attempt=Attempt(number=1, generation=1, failures=2))
    return known(record=mine, instances=(instance(),), answer=report(run=last), **more)


@pytest.mark.parametrize("status", [1, 126])
def test_what_failed_for_want_of_its_home_is_no_failure(status: int) -> None:
    found = now(failed(True, status=status, failed_for=10))
    assert isinstance(found, act.Run)
    assert (found.attempt, found.failures) == (2, 2)
    assert "having lost /home" in found.because
    waits = now(failed(True, status=status, failed_for=9))
    assert isinstance(waits, act.Wait)
    assert waits.seconds == 1


def test_a_failure_is_judged_when_it_is_known_what_it_came_of() -> None:
    assert isinstance(now(failed(None, failed_for=100)), act.Wait)
    assert isinstance(now(failed(False, failed_for=100)), act.RecordOutcome)


def test_a_live_view_shows_it() -> None:
    case = working(LOST)
    assert row_of(wish(), case, look(case)).doing == "has lost /home"


# what an agent says


def test_words_of_older_and_newer_agents() -> None:
    words = {"instance_id": "i-1", "boot_id": "b", "phase": "idle", "run": {"attempt": 1, "state": "running"}}
    old = agentlink.parse_report(words)
    assert old.home == Home()
    assert old.run is not None
    assert old.run.home_lost is False
    assert agentlink.parse_report(words | {"home": {"state": "haunted"}}).home.state is HomeState.OK
    told = {"home": {"state": "hangs", "why": "it does not answer"}, "run": words["run"] | {"home_lost": None}}  # type: ignore[operator]
    new = agentlink.parse_report(words | told)
    assert new.home == HANGS
    assert new.run is not None
    assert new.run.home_lost is None


def test_what_befell_the_home_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    events = [("home-lost", {"why": "gone"}), ("home-back", {"after": "lost"})]
    events += [("home-full", {"why": "0 MiB are free of 50"}), ("home-back", {"after": "full"})]
    stamps = tuple(Stamp(event=event, at=float(at), detail=detail) for at, (event, detail) in enumerate(events))
    seen = known(instances=(instance(),), answer=report(stamps=stamps))
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            tell_changes(Journal(tmp_path, TAG), "mynode", seen)
    said = [record.getMessage() for record in caplog.records]
    assert len([text for text in said if "lost /home: gone" in text]) == 1
    (full,) = (text for text in said if "the shared volume is full (0 MiB are free of 50)" in text)
    assert "remove files" in full
    assert [text for text in said if "can use /home again" in text]
    assert [text for text in said if "has room again" in text]
    warned = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warned) == 2


# looks, plans and acts together


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path)
    made.machines.shared = False
    return made


def lose_home(scene: Scene, home: Home) -> None:
    scene.agent().home = {"state": str(home.state), "why": home.why}


def test_the_master_is_waited_for_and_then_the_node_is_mended(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    (node,) = scene.alive()
    assert scene.machines.set_ups == [node.id]
    lose_home(scene, LOST)
    scene.machines.agent(scene.master.id).reachable = False
    scene.rounds(driver, 300)
    assert scene.machines.set_ups == [node.id], "nothing is done while the master is away, however long"
    scene.machines.agent(scene.master.id).reachable = True
    scene.rounds(driver, 1)
    assert scene.machines.set_ups == [node.id] * 2
    lose_home(scene, Home())
    scene.rounds(driver, 5)
    assert scene.machines.set_ups == [node.id] * 2
    assert scene.agent().ran == [1], "the command has gone on"


def test_a_node_whose_home_can_not_be_mounted_is_replaced_in_the_end(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    (first,) = scene.alive()
    lose_home(scene, LOST)
    scene.machines.fail_set_up = [exception.RemoteCommandFailed("mount failed") for _ in range(30)]
    began = scene.clock.time
    while scene.alive() == [first]:
        scene.rounds(driver, 1)
        assert scene.clock.time < began + 10 * HOME_LIMIT
    assert scene.clock.time - began >= HOME_LIMIT
    scene.machines.fail_set_up = []
    scene.ec2.advance(2000)
    scene.rounds(driver, 20)
    (second,) = scene.alive()
    assert second.id != first.id
    assert scene.machines.agent(second.id).ran == [2]
