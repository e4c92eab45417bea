"""The loop around the rounds: how it ends, waits, and what it tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster import exception
from starcluster.cluster.namerecord import Spent
from starcluster.supervisor import actions as act
from starcluster.supervisor.journal import Journal
from starcluster.supervisor.look import NodePhase, Stamp
from starcluster.supervisor.loop import Ended
from starcluster.supervisor.tail import read_log, read_tail
from starcluster.supervisor.telling import cost_words, sentence, tell_changes
from starcluster.supervisor.wishes import After
from tests.fakes.ec2 import fake_error
from tests.unit.supervisor.stage import FakeMachines, FakeShell, Scene
from tests.unit.supervisor.world import POOL, instance, known, report, run, wish


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.mark.parametrize(("status", "ended"), [(0, Ended.FINISHED), (127, Ended.GAVE_UP)])
def test_it_runs_to_the_end_and_gives_the_lease_up(scene: Scene, status: int, ended: Ended) -> None:
    scene.machines.ends_with = status
    driver = scene.driver(wish())
    assert driver.run() is ended
    assert not scene.alive()
    assert scene.record().lease is None


def test_the_worst_of_all_names_is_the_end(scene: Scene) -> None:
    scene.machines.ends_with = 0
    scene.ec2.refuse(code="VcpuLimitExceeded", market="on-demand")
    from starcluster.model import Market

    driver = scene.driver(wish("good"), wish("bad", market=Market.ON_DEMAND))
    assert driver.run() is Ended.USER_MUST_ACT
    assert driver.sites[0].results == {"good": Ended.FINISHED, "bad": Ended.USER_MUST_ACT}


def test_trouble_is_waited_for_longer_and_longer_and_said_once(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    driver = scene.driver(wish())
    scene.ec2.fail_next("instances.find", fake_error("RequestLimitExceeded"), times=9)
    pauses = [driver.round(driver.sites[0]) for _ in range(9)]
    assert pauses[:4] == [2.0, 4.0, 8.0, 16.0]
    assert pauses[-1] == 120.0
    assert capsys.readouterr().out.count("RequestLimitExceeded") == 1


def test_credentials_that_ran_out_may_be_renewed(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.ec2.fail_next("instances.find", fake_error("ExpiredToken"), times=3)
    scene.rounds(driver, 15)
    assert scene.agent().ran == [1]


def test_each_sentence_is_said_once(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 20)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(set(lines))
    assert any("attempt 1 runs on" in line for line in lines)


def test_what_the_node_stamped_is_told_once_with_its_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal(tmp_path, "c")
    stamps = (
        Stamp(event="first-progress", at=100.5, detail={"step": 7, "total": 9, "attempt": 1}),
        Stamp(event="notice", at=200),
    )
    seen = known(instances=(instance(),), answer=report(phase=NodePhase.DRAINING, run=run(), stamps=stamps))
    for _ in range(3):
        tell_changes(journal, "mynode", seen)
    events = journal.read("mynode")
    assert [one["event"] for one in events] == ["running", "first-progress", "notice"]
    assert events[1]["at"] == "1970-01-01T00:01:40.500Z"
    told = capsys.readouterr().out
    assert told.count("at step 7 of 9") == 1
    assert told.count("notice has come") == 1


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (act.Launch(name="n", because="why", pool=POOL, generation=2, try_number=3), "why: asking EC2 for a c5.large"),
        (act.Release(name="n", because="why", instance_id="i-1"), "why: ending i-1"),
        (act.CancelRequests(name="n", because="why", request_ids=("sir-1",)), "why: taking back sir-1"),
        (act.Wait(name="n", because="why", seconds=1), "why"),
    ],
)
def test_sentences(action: act.Action, words: str) -> None:
    assert sentence(action).startswith(words)


def test_what_ended_is_added_to_the_costs_in_the_record(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    driver = scene.driver(wish())
    scene.ec2.prices.all["c5.large"] = 0.085
    scene.rounds(driver, 8)
    assert scene.record().spent == Spent()
    scene.lose(scene.alive()[0])
    scene.rounds(driver, 8)
    first = scene.record().spent
    assert (first.generation, first.interruptions, first.unknown, first.unpriced) == (1, 1, 0, 0)
    assert first.on_demand == pytest.approx(first.seconds / 3600 * 0.085, abs=1e-5)
    scene.agent().end(0)
    scene.rounds(scene.driver(wish()), 8)
    assert scene.record().spent.generation == 2
    assert scene.record().spent.usd > first.usd > 0
    assert "less than on demand" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("step", "words"), [(5, "attempt 2 goes on from the last checkpoint"), (None, "attempt 2 starts")]
)
def test_who_told_progress_goes_on_and_who_did_not_starts(
    scene: Scene, step: int | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    run_of_node = scene.agent().run
    assert run_of_node is not None
    run_of_node.update(step=step, total=9)
    scene.rounds(driver, 1)
    scene.lose(scene.alive()[0])
    scene.rounds(driver, 8)
    out = capsys.readouterr().out
    assert f"{words}: starting the command\n" in out
    assert "the node is ready: starting the command (attempt 1)\n" in out


def test_costs_that_can_not_be_written_stop_nothing(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    scene.ec2.fail_next("spot.history", fake_error("UnauthorizedOperation"), times=99)
    scene.lose(scene.alive()[0])
    scene.rounds(driver, 12)
    assert scene.record().spent == Spent()
    assert scene.agent().ran == [2]


@pytest.mark.parametrize(
    ("spent", "words"),
    [
        (Spent(seconds=3725, usd=2, on_demand=8), "1:02:05 in all, about $2.00 by EC2's prices, $6.00 (75%) less"),
        (Spent(seconds=60, usd=0.5, unpriced=1), "0:01:00 in all, about $0.5000 by EC2's prices"),
        (Spent(seconds=60, usd=0.5, unknown=1), "its machines ran 0:01:00 in all"),
    ],
)
def test_costs_are_told_as_far_as_they_are_known(spent: Spent, words: str) -> None:
    assert words in cost_words(spent)
    assert cost_words(spent).endswith(words) or "less" in words


def test_a_kept_node_is_told_to_cost_on(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.machines.ends_with = 127
    assert scene.driver(wish(on_failure=After.KEEP)).run() is Ended.GAVE_UP
    assert "goes on costing; to end it: starcluster removenode mycluster mynode" in capsys.readouterr().out


def shell_of(scene: Scene, text: dict[str, object]) -> FakeShell:
    machines = FakeMachines(scene.ec2)
    return FakeShell(lambda order: {"ok": True, **text}, machines.agent("i-x"))


def test_a_log_is_read_after_putting_the_agent_there(scene: Scene) -> None:
    found = read_log(shell_of(scene, {"attempt": 2, "text": "hello\n", "offset": 6}), "mynode")
    assert (found.attempt, found.text, found.offset) == (2, "hello\n", 6)


def test_a_log_that_is_not_there_is_told(scene: Scene) -> None:
    shell = shell_of(scene, {"attempt": 0, "text": "", "offset": 0, "error": "No such file or directory"})
    with pytest.raises(exception.ClusterError, match="has no log"):
        read_log(shell, "mynode")


def test_a_log_can_not_be_read_without_a_master(scene: Scene) -> None:
    with pytest.raises(exception.MasterDoesNotExist):
        read_tail(scene.driver(wish()).sites[0].observer, "mynode", lines=5)
