"""The edges of single rules: where exactly a limit lies, and what stands aside for what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from starcluster.cluster.namerecord import Attempt, Intent, NameRecord, Outcome, OutcomeState
from starcluster.model import InstanceState, Market, Pool, SpotRequest, SpotState, Verdict
from starcluster.supervisor import actions as act
from starcluster.supervisor.look import (
    Absent,
    ClusterState,
    NameLook,
    NodePhase,
    RunReport,
    RunState,
    Silent,
    Unasked,
    Unreachable,
)
from starcluster.supervisor.noderules import BY_USER, REQUEST_BY_USER, ended_by_user
from starcluster.supervisor.plan import decide
from starcluster.supervisor.wishes import After, Wish
from tests.unit.supervisor.world import NOW, POOL, instance, known, look, record, report, run, wish

GONE = InstanceState.TERMINATED
LOST = "Server.SpotInstanceTermination"
INTENT = Intent(token="t", pool=POOL, at=NOW)


def now(case: NameLook, asked: Wish | None = None, **more: object) -> act.Action:
    return decide(asked or wish(), look(case, **more))


def asked_for(state: SpotState = SpotState.OPEN, *, code: str = "a-code", of: str = "") -> SpotRequest:
    return SpotRequest(id="sir-1", state=state, code=code, instance_id=of)


def attempt(number: int, generation: int = 1, **more: int) -> NameRecord:
    return record(attempt=Attempt(number=number, generation=generation, **more))


def ready(mine: NameRecord, last: RunReport | None = None) -> NameLook:
    return known(record=mine, instances=(instance(),), answer=report(run=last))


# who may live beside whom


def test_a_name_without_a_current_instance_has_no_second_one() -> None:
    """Its record says generation 2, of which nothing is seen; the one of generation 1 was never drained."""
    case = known(record=record(generation=2, born="i-2"), instances=(instance(1, ready=""),), intent_age=10)
    assert isinstance(now(case), act.Wait), "what is seen of generation 1 may be a minute old"
    assert isinstance(now(replace(case, intent_age=300)), act.Adopt)


@pytest.mark.parametrize("code", ["fulfilled", "instance-terminated-no-capacity"])
def test_a_drained_node_that_is_not_taken_ends_after_its_time(code: str) -> None:
    limit = 60.0 if code == "fulfilled" else 300.0
    mine = (instance(1), instance(2, generation=2))
    case = known(
        record=record(generation=2, born="i-2", drained=1),
        instances=mine,
        requests=(asked_for(SpotState.ACTIVE, code=code, of="i-1"),),
        answer=report(2, NodePhase.RUNNING, run=run()),
        overdue_for=limit - 0.1,
    )
    assert isinstance(now(case), act.Wait)
    late = replace(case, overdue_for=limit)
    found = now(late)
    assert isinstance(found, act.Release)
    assert found.instance_id == "i-1"
    booting = replace(late, instances=(replace(mine[0], state=InstanceState.PENDING), mine[1]))
    assert isinstance(now(booting), act.Wait)
    other = replace(late, requests=(replace(late.requests[0], instance_id="i-2"),), overdue_for=299.0)
    assert isinstance(now(other), act.Wait), "the word about another instance counts for nothing"


def test_only_a_running_second_instance_of_ours_is_ended() -> None:
    second = instance(2, ready="")
    case = known(instances=(instance(1), second), answer=report(1, NodePhase.RUNNING, run=run()))
    assert getattr(now(case), "instance_id", "") == "i-2"
    booting = replace(case, instances=(instance(1), replace(second, state=InstanceState.PENDING)))
    assert isinstance(now(booting), act.Wait)
    foreign = replace(case, instances=(instance(1), instance(2, generation=0, ready="")))
    assert isinstance(now(foreign), act.Wait)


def test_a_second_node_that_we_meant_to_end_is_ended() -> None:
    case = known(
        record=record(released=("i-2",)),
        instances=(instance(1), instance(2)),
        answer=report(1, NodePhase.RUNNING, run=run()),
    )
    found = now(case)
    assert isinstance(found, act.Release)
    assert found.instance_id == "i-2"


def test_an_undrained_node_of_an_earlier_generation_is_told() -> None:
    case = known(record=record(generation=2, born="i-2", drained=0), instances=(instance(1), instance(2, generation=2)))
    assert isinstance(now(case), act.Hold)


# launches


def test_a_forgotten_instance_that_a_person_ended_is_not_launched_again() -> None:
    told = (asked_for(SpotState.CLOSED, code="instance-terminated-by-user", of="i-1"),)
    case = known(record=record(intent=INTENT), requests=told, intent_age=300)
    assert isinstance(now(case), act.Hold)
    assert isinstance(now(replace(case, intent_age=299.9)), act.Wait)
    assert isinstance(now(replace(case, record=record(intent=INTENT, released=("i-1",)))), act.Launch)
    assert isinstance(now(replace(case, requests=())), act.Launch)
    of_another = (replace(told[0], instance_id="i-7"),)
    assert isinstance(now(replace(case, requests=of_another)), act.Launch)


def test_who_ended_it_does_not_count_once_it_was_drained() -> None:
    corpse = instance(state=GONE, reason=BY_USER)
    assert isinstance(now(known(instances=(corpse,))), act.Hold)
    assert isinstance(now(known(record=record(drained=1), instances=(corpse,))), act.Launch)


def test_the_corpse_of_another_try_is_not_ours() -> None:
    corpse = instance(9, GONE, reason=LOST, token="older")
    asked = known(record=record(born="", intent=INTENT), instances=(corpse,))
    assert isinstance(now(asked), act.Replay)
    assert isinstance(now(replace(asked, instances=(replace(corpse, client_token="t"),))), act.Launch)
    assert isinstance(now(replace(asked, record=record(born="", intent=None))), act.Launch)


def test_a_try_that_brought_nothing_is_followed_by_the_next() -> None:
    found = now(known(record=record(generation=2, born="", try_number=4)))
    assert isinstance(found, act.Launch)
    assert (found.generation, found.try_number) == (2, 5)


def test_a_successor_begins_with_the_first_try() -> None:
    dead = known(record=record(generation=2, born="i-1", try_number=4), instances=(instance(state=GONE, reason=LOST),))
    found = now(dead)
    assert isinstance(found, act.Launch)
    assert (found.generation, found.try_number) == (3, 1)
    assert LOST in found.because


def test_without_a_zone_nothing_is_asked_for() -> None:
    assert isinstance(now(known(record=record(generation=0, born="")), zones=()), act.Wait)


def test_a_full_pool_is_asked_again_when_its_time_has_come() -> None:
    fresh = known(record=record(generation=0, born=""))
    other = replace(POOL, instance_type="c5.xlarge")
    wanted = wish(instance_types=("c5.large", "c5.xlarge"), check_interval=100)
    found = now(fresh, wanted, avoid={POOL: 40.0, other: 30.0})
    assert isinstance(found, act.Wait)
    assert found.seconds == 30
    assert "c5.large in us-east-1a (spot), c5.xlarge in us-east-1a (spot)" in found.because
    soon = now(fresh, wanted, avoid={POOL: 0.2, other: 30.0})
    assert isinstance(soon, act.Wait)
    assert soon.seconds == 1


def test_the_users_own_zones_come_before_the_clusters() -> None:
    found = now(known(record=record(generation=0, born="")), wish(zones=("us-east-1f",)))
    assert getattr(found, "pool", None) == Pool(instance_type="c5.large", zone="us-east-1f", market=Market.SPOT)


@pytest.mark.parametrize(("state", "age", "kind"), [("open", 599.9, act.Wait), ("open", 600, act.CancelRequests)])
def test_an_open_request_is_taken_back_after_its_time(state: str, age: float, kind: type[act.Action]) -> None:
    case = known(record=record(generation=0, born=""), requests=(asked_for(SpotState(state)),), asking_for=age)
    assert isinstance(now(case), kind)


def test_a_request_that_is_not_open_stands_in_nobodys_way() -> None:
    case = known(record=record(generation=0, born=""), requests=(asked_for(SpotState.CANCELLED),))
    assert isinstance(now(case), act.Launch)


# adoption


def test_the_newest_generation_is_adopted_under_its_number() -> None:
    case = known(record=record(generation=1, born=""), instances=(instance(4, generation=3), instance(5, generation=2)))
    found = now(case)
    assert isinstance(found, act.Adopt)
    assert (found.instance_id, found.generation) == ("i-4", 3)


def test_a_node_that_was_added_by_hand_is_the_next_generation() -> None:
    case = known(record=record(generation=2, born=""), instances=(instance(4, generation=0),))
    found = now(case)
    assert isinstance(found, act.Adopt)
    assert (found.instance_id, found.generation) == ("i-4", 3)


@pytest.mark.parametrize(
    "facts",
    [{"released": ("i-4",)}, {"drained": 3}, {"intent": INTENT}],
    ids=["we ended it", "it is drained", "a launch may still show up"],
)
def test_what_is_not_ours_to_take_is_not_adopted(facts: dict[str, object]) -> None:
    case = known(record=record(**({"generation": 4, "born": ""} | facts)), instances=(instance(4, generation=3),))
    assert not isinstance(now(case), act.Adopt)


def test_nothing_is_adopted_while_the_last_one_still_ends() -> None:
    ending = instance(1, InstanceState.SHUTTING_DOWN, generation=2)
    case = known(record=record(generation=2), instances=(ending, instance(4, generation=0)))
    assert not isinstance(now(case), act.Adopt)


# before the command


def test_what_ec2_takes_is_not_set_up() -> None:
    taken = (asked_for(SpotState.CLOSED, of="i-1"),)
    bare = known(instances=(instance(ready=""),), requests=taken, answer=Unasked())
    assert isinstance(now(bare), act.Wait)
    assert isinstance(now(replace(bare, requests=(asked_for(SpotState.FAILED, of="i-1"),))), act.Wait)
    assert isinstance(now(replace(bare, requests=(asked_for(SpotState.CLOSED, of="i-2"),))), act.SetUp)
    without = known(instances=(instance(),), requests=taken, answer=Absent())
    assert isinstance(now(without), act.Wait)
    assert isinstance(now(replace(without, requests=())), act.SetUp)


def test_an_instance_is_given_up_after_its_tries_and_its_time_only() -> None:
    case = known(instances=(instance(ready=""),), set_up_failures=6, unready_for=900)
    assert isinstance(now(case), act.Release)
    assert isinstance(now(replace(case, set_up_failures=5)), act.SetUp)
    assert isinstance(now(replace(case, unready_for=899.9)), act.SetUp)


def test_an_agent_that_can_not_be_started_is_told_after_its_tries() -> None:
    case = known(instances=(instance(),), answer=Absent(why="it died"), set_up_failures=5)
    found = now(case)
    assert isinstance(found, act.SetUp)
    assert not found.whole
    held = now(replace(case, set_up_failures=6))
    assert isinstance(held, act.Hold)
    assert "it died" in held.because
    assert "no python3" in now(replace(case, set_up_failures=6, set_up_error="no python3")).because


@pytest.mark.parametrize(
    ("state", "words"),
    [(InstanceState.STOPPING, "is stopping"), (InstanceState.SHUTTING_DOWN, "is shutting down")],
)
def test_what_ends_is_waited_for(state: InstanceState, words: str) -> None:
    found = now(known(instances=(instance(state=state),)))
    assert isinstance(found, act.Wait)
    assert words in found.because


# the command


def failed(status: int | None = 1, **more: float) -> NameLook:
    return ready(attempt(1), run(1, RunState.EXITED, exit=status, **more))


def test_the_first_pause_is_ten_seconds() -> None:
    found = now(replace(failed(), failed_for=9.9), wish(check_interval=100))
    assert isinstance(found, act.Wait)
    assert found.seconds == pytest.approx(0.1)
    again = now(replace(failed(), failed_for=10.0))
    assert isinstance(again, act.Run)
    assert (again.attempt, again.failures, again.generation) == (2, 1, 1)


@pytest.mark.parametrize(("failures", "pause"), [(1, 20.0), (2, 40.0), (5, 320.0), (6, 600.0), (9, 600.0)])
def test_pauses_grow_to_ten_minutes(failures: int, pause: float) -> None:
    case = failed()
    case = replace(case, record=attempt(1, failures=failures), failed_for=pause)
    stubborn = wish(max_restarts=20)
    assert isinstance(now(case, stubborn), act.Run)
    assert isinstance(now(replace(case, failed_for=pause - 0.1), stubborn), act.Wait)


def test_an_hour_of_work_ends_a_row_of_failures() -> None:
    row = attempt(1, failures=3)
    long_run = replace(failed(started=10.0, ended=3610.0), record=row, failed_for=10)
    found = now(long_run)
    assert isinstance(found, act.Run)
    assert found.failures == 1
    assert isinstance(now(replace(failed(started=10.0, ended=3609.0), record=row, failed_for=10)), act.RecordOutcome)


@pytest.mark.parametrize(("status", "hopeless"), [(125, False), (126, True), (127, True), (128, False)])
def test_a_command_that_does_not_exist_is_not_tried_again(status: int, hopeless: bool) -> None:
    assert isinstance(now(failed(status=status)), act.RecordOutcome) == hopeless


@pytest.mark.parametrize(
    ("status", "words"),
    [(None, "was killed"), (-15, "was ended by signal 15"), (0, "status 0"), (3, "ended with exit status 3")],
)
def test_how_it_ended_is_said(status: int | None, words: str) -> None:
    over = Outcome(state=OutcomeState.FAILED, at=NOW, exit=status)
    assert words in now(known(record=record(outcome=over))).because


def test_an_attempt_before_the_one_that_is_wanted_has_no_say() -> None:
    case = replace(failed(), record=attempt(2), failed_for=10_000)
    found = now(case)
    assert isinstance(found, act.Run)
    assert (found.attempt, found.failures) == (2, 0), "the second one was written down and not started"


def test_an_attempt_of_an_earlier_job_has_no_say() -> None:
    done = run(3, RunState.EXITED, exit=0)
    case = known(
        record=attempt(3, floor=3),
        instances=(instance(),),
        answer=report(run=done),
    )
    found = now(case)
    assert isinstance(found, act.Run)
    assert found.attempt == 4
    new = replace(case, answer=report(run=replace(done, attempt=4)))
    assert isinstance(now(new), act.RecordOutcome)


def test_what_a_reboot_cut_off_was_no_failure() -> None:
    cut = run(1, RunState.LOST, boot_id="boot-0")
    case = known(
        record=attempt(1, failures=2),
        instances=(instance(),),
        answer=report(run=cut),
    )
    found = now(case)
    assert isinstance(found, act.Run)
    assert (found.attempt, found.failures) == (2, 2)


def test_a_lost_run_of_this_boot_is_a_failure() -> None:
    lost = run(1, RunState.LOST)
    case = ready(attempt(1), lost)
    assert isinstance(now(case), act.Wait)
    assert getattr(now(replace(case, failed_for=10)), "failures", 0) == 1


def test_a_setup_command_that_went_well_is_no_end() -> None:
    ended = run(1, RunState.EXITED, exit=0, stage="setup")
    found = now(ready(attempt(1), ended))
    assert isinstance(found, act.Run)
    assert (found.attempt, found.failures) == (2, 0)


def test_a_clean_end_is_written_down_as_it_was() -> None:
    found = now(ready(attempt(3), run(3, RunState.EXITED, exit=0)))
    assert found == act.RecordOutcome(
        name="mynode", because="the command has finished", finished=True, exit=0, attempt=3
    )


def test_the_first_attempt_is_started_under_its_number() -> None:
    assert getattr(now(ready(attempt(1))), "attempt", 0) == 1


def test_no_number_is_used_twice() -> None:
    case = ready(attempt(5, 0))
    assert getattr(now(case), "attempt", 0) == 6
    assert getattr(now(replace(case, last_run=8)), "attempt", 0) == 9
    ran = report(run=run(11, RunState.EXITED, exit=0, interrupted=True))
    assert getattr(now(replace(case, answer=ran)), "attempt", 0) == 12


def test_a_pending_attempt_is_started_under_its_number() -> None:
    case = ready(attempt(5))
    assert getattr(now(case), "attempt", 0) == 5
    assert getattr(now(replace(case, record=attempt(5, floor=5))), "attempt", 0) == 6


# silence


def test_who_is_taken_or_too_long_silent() -> None:
    mute = known(instances=(instance(),), answer=Unreachable(why="timed out"), silent_for=900, silent_too_long=True)
    found = now(mute)
    assert isinstance(found, act.Release)
    assert "for 900 s" in found.because
    taken = replace(mute, requests=(asked_for(SpotState.CLOSED, of="i-1"),))
    assert isinstance(now(taken), act.Wait)


def test_the_word_of_another_instance_is_nobodys() -> None:
    case = known(instances=(instance(),), answer=report(7, run=run(state=RunState.EXITED, exit=0)))
    assert isinstance(now(case), act.Wait)


@pytest.mark.parametrize(
    ("case", "seconds"),
    [
        (known(instances=(instance(state=InstanceState.PENDING),)), 2),
        (known(instances=(instance(),), answer=report(phase=NodePhase.DRAINING)), 2),
        (known(instances=(instance(),), answer=report(notice="terminate")), 2),
        (known(instances=(instance(),), answer=Unreachable(why="x")), 15),
        (known(instances=(instance(),), answer=Silent(age=100)), 15),
        (known(instances=(instance(),), answer=Unasked()), 5),
        (known(instances=(instance(state=InstanceState.STOPPING),)), 5),
        (known(holder="me"), 10),
        (known(instances=(instance(),), answer=report(run=run())), 60),
    ],
)
def test_when_it_is_looked_again(case: NameLook, seconds: float) -> None:
    assert getattr(now(case, wish(check_interval=60)), "seconds", 0) == seconds
    if not case.holder:
        assert getattr(now(case, wish(check_interval=1)), "seconds", 0) == 1


def test_a_master_that_is_away_and_a_pause() -> None:
    working = known(instances=(instance(),), answer=report(run=run()))
    without = now(working, wish(check_interval=60), cluster=ClusterState.NO_MASTER)
    assert getattr(without, "seconds", 0) == 15
    fresh = known(record=record(generation=0, born=""))
    waiting = now(replace(fresh, pause=0.5), wish(check_interval=60))
    assert isinstance(waiting, act.Wait)
    assert waiting.seconds == 0.5
    assert waiting.because == "waits before the next try"
    assert now(replace(fresh, pause=3, pause_because="EC2 is slow")).because == "EC2 is slow"
    assert isinstance(now(replace(fresh, pause=0)), act.Launch)


@pytest.mark.parametrize("state", list(InstanceState))
def test_what_is_left_at_the_end_is_released_or_stopped_or_kept(state: InstanceState) -> None:
    over = record(outcome=Outcome(state=OutcomeState.FINISHED, at=NOW, exit=0))
    case = known(record=over, instances=(instance(state=state),))
    released, stopped = now(case), now(case, wish(on_success=After.STOP, on_failure=After.KEEP))
    assert isinstance(released, act.Release) == state.is_in_cluster
    assert isinstance(stopped, act.Stop) == state.is_alive
    assert isinstance(now(case, wish(on_success=After.KEEP)), act.Finish)
    failed = known(record=record(outcome=replace(over.outcome, state=OutcomeState.FAILED)), instances=case.instances)  # type: ignore[type-var]
    assert isinstance(now(failed, wish(on_failure=After.KEEP)), act.Finish)
    assert isinstance(now(failed, wish(on_failure=After.STOP)), act.Stop) == state.is_alive


@pytest.mark.parametrize(
    ("verdicts", "limit"),
    [
        ([Verdict.WAIT], 600.0),
        ([Verdict.WAIT, Verdict.ELSEWHERE], 60.0),
        ([Verdict.ELSEWHERE], 60.0),
        ([Verdict.WAIT, Verdict.TELL_USER], 0.0),
    ],
)
def test_how_long_a_request_may_stay_open(verdicts: list[Verdict], limit: float) -> None:
    asked = tuple(
        replace(asked_for(code=verdict), id=f"sir-{number}", verdict=verdict, message="why")
        for number, verdict in enumerate(verdicts)
    )
    case = known(record=record(generation=0, born=""), requests=asked, asking_for=limit)
    found = now(case)
    assert isinstance(found, act.CancelRequests)
    assert found.request_ids == tuple(one.id for one in asked)
    assert (found.code, found.message) == ((Verdict.TELL_USER, "why") if limit == 0 else ("", ""))
    if limit:
        assert isinstance(now(replace(case, asking_for=limit - 0.5)), act.Wait)


def test_an_instance_that_lets_nobody_in_is_given_up() -> None:
    shut = known(instances=(instance(ready=""),), set_up_failures=2, unready_for=1200, unusable=1)
    found = now(shut)
    assert isinstance(found, act.Release)
    assert found.unusable
    assert isinstance(now(replace(shut, unready_for=1199.9)), act.SetUp)
    assert isinstance(now(replace(shut, set_up_failures=1)), act.SetUp)
    held = now(replace(shut, unusable=2, set_up_error="no route"))
    assert isinstance(held, act.Hold)
    assert held.because == "3 instances in a row could not be set up, the last is i-1: no route"


def test_a_word_about_one_of_several_requests_is_enough() -> None:
    drained = known(
        record=record(generation=2, born="i-2", drained=1),
        instances=(instance(1), instance(2, generation=2)),
        requests=(asked_for(SpotState.ACTIVE, code="fulfilled", of="i-2"),) * 2
        + (asked_for(SpotState.ACTIVE, code="fulfilled", of="i-1"),),
        answer=report(2, NodePhase.RUNNING, run=run()),
        overdue_for=60.0,
    )
    assert isinstance(now(drained), act.Release)


# whose doing an end was


def request_of(instance_id: str, code: str) -> SpotRequest:
    return SpotRequest(id=f"sir-{instance_id}", state=SpotState.CLOSED, code=code, instance_id=instance_id)


@pytest.mark.parametrize("code", sorted(REQUEST_BY_USER))
def test_a_requests_word_counts_for_the_recorded_instance_that_tells_nothing_itself(code: str) -> None:
    gone = known(record=record(born="i-1"), requests=(request_of("i-1", code),))
    assert ended_by_user(gone) == ["i-1"]
    mute = instance(1, InstanceState.TERMINATED)
    assert ended_by_user(replace(gone, instances=(mute,))) == ["i-1"]
    other = instance(1, InstanceState.TERMINATED, reason="Server.SpotInstanceTermination")
    assert ended_by_user(replace(gone, instances=(other,))) == [], "what it tells itself is closer"
    assert ended_by_user(replace(gone, requests=(request_of("i-0", code),))) == [], "of an earlier instance"
    assert ended_by_user(replace(gone, record=None)) == []


def test_the_start_of_a_command_says_which_attempt_it_is() -> None:
    first = now(known(instances=(instance(),), answer=report(), record=record()))
    assert first.because == "the node is ready"
    later = known(instances=(instance(),), answer=report(), record=record(), last_run=1)
    assert now(later).because == "the node is ready; attempt 2 starts"
    assert (
        now(replace(later, has_saved=True)).because == "the node is ready; attempt 2 goes on from the last checkpoint"
    )
