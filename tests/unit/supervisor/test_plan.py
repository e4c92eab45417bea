"""What is done next, case by case; each case is a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from starcluster.cluster.namerecord import Attempt, Intent, Outcome, OutcomeState
from starcluster.model import InstanceState, Market, Pool, SpotRequest, SpotState
from starcluster.supervisor import actions as act
from starcluster.supervisor.look import (
    Absent,
    ClusterState,
    NameLook,
    NodePhase,
    RunState,
    Silent,
    Unasked,
    Unreachable,
)
from starcluster.supervisor.noderules import BY_USER
from starcluster.supervisor.plan import decide
from starcluster.supervisor.wishes import After, Fallback, Wish
from tests.unit.supervisor.world import NOW, POOL, instance, known, look, record, report, run, wish

DONE = Outcome(state=OutcomeState.FINISHED, at=NOW, exit=0)
FAILED = Outcome(state=OutcomeState.FAILED, at=NOW, exit=3)
INTENT = Intent(token="t", pool=POOL, at=NOW)
GONE = InstanceState.TERMINATED
LOST = "Server.SpotInstanceTermination"
BY_NODE = "Client.InstanceInitiatedShutdown"


def now(case: NameLook | None = None, asked: Wish | None = None, **more: object) -> act.Action:
    return decide(asked or wish(), look(case, **more))


def test_a_name_is_begun_before_anything_else() -> None:
    assert isinstance(now(None), act.Begin)
    assert isinstance(now(NameLook(begun=False, record=record(), instances=(instance(),))), act.Begin)


def test_a_new_name_is_launched_as_generation_one() -> None:
    found = now(known(record=record(generation=0, born="")))
    assert isinstance(found, act.Launch)
    assert (found.generation, found.try_number, found.pool) == (1, 1, POOL)


def test_the_bid_is_passed_on_for_spot_only() -> None:
    fresh = known(record=record(generation=0, born=""))
    assert getattr(now(fresh, wish(max_price=0.5)), "max_price", 0) == 0.5
    on_demand = now(fresh, wish(max_price=0.5, market=Market.ON_DEMAND))
    assert isinstance(on_demand, act.Launch)
    assert on_demand.max_price is None


def test_an_intent_without_an_answer_is_replayed() -> None:
    assert isinstance(now(known(record=record(born="", intent=INTENT))), act.Replay)


def test_a_refused_try_is_followed_by_the_next_try_of_the_same_generation() -> None:
    found = now(known(record=record(born="", intent=None, try_number=4)))
    assert isinstance(found, act.Launch)
    assert (found.generation, found.try_number) == (1, 5)


def test_a_pool_without_capacity_is_left_alone_and_the_next_one_asked() -> None:
    fresh = known(record=record(generation=0, born=""))
    both = wish(instance_types=("c5.large", "c5.xlarge"))
    found = now(fresh, both, avoid={POOL: 100.0})
    assert isinstance(found, act.Launch)
    assert found.pool.instance_type == "c5.xlarge"
    waits = now(fresh, avoid={POOL: 100.0})
    assert isinstance(waits, act.Wait)
    assert "no capacity" in waits.because


def test_on_demand_is_asked_for_only_after_the_longest_wait() -> None:
    on_demand = Pool(instance_type="c5.large", zone=POOL.zone, market=Market.ON_DEMAND)
    asked = wish(fallback=Fallback.ON_DEMAND, spot_max_wait=600)
    fresh = known(record=record(generation=0, born=""), asking_for=599)
    assert isinstance(now(fresh, asked, avoid={POOL: 9}), act.Wait)
    found = now(replace(fresh, asking_for=600), asked, avoid={POOL: 9})
    assert isinstance(found, act.Launch)
    assert found.pool == on_demand
    assert isinstance(now(replace(fresh, asking_for=600), wish(), avoid={POOL: 9}), act.Wait)


def test_an_instance_whose_launch_was_not_answered_is_adopted() -> None:
    found = now(known(record=record(born="", intent=INTENT), instances=(instance(),)))
    assert found == act.Adopt(name="mynode", because=found.because, instance_id="i-1", generation=1)


def test_a_node_that_was_added_by_hand_is_adopted() -> None:
    by_hand = instance(generation=0)
    found = now(known(record=record(generation=0, born=""), instances=(by_hand,)))
    assert isinstance(found, act.Adopt)
    assert found.generation == 1


def test_a_lost_instance_is_followed_by_the_next_generation() -> None:
    found = now(known(instances=(instance(state=GONE, reason=LOST),)))
    assert isinstance(found, act.Launch)
    assert (found.generation, found.try_number) == (2, 1)


def test_an_instance_that_shut_itself_down_is_followed_by_the_next_generation() -> None:
    assert isinstance(now(known(instances=(instance(state=GONE, reason=BY_NODE),))), act.Launch)


def test_what_a_person_ended_is_not_undone() -> None:
    found = now(known(instances=(instance(state=GONE, reason=BY_USER),)))
    assert isinstance(found, act.Hold)
    assert "person" in found.because


def test_what_we_released_ourselves_is_no_persons_act() -> None:
    ended = known(record=record(released=("i-1",)), instances=(instance(state=GONE, reason=BY_USER),))
    assert isinstance(now(ended), act.Launch)


def test_an_instance_that_ec2_does_not_show_yet_is_waited_for_and_then_given_up() -> None:
    assert isinstance(now(known(intent_age=10)), act.Wait)
    found = now(known(intent_age=1000))
    assert isinstance(found, act.Launch)
    assert found.generation == 2


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (InstanceState.SHUTTING_DOWN, "is shutting down"),
        (InstanceState.STOPPING, "is stopping"),
        (InstanceState.PENDING, "is booting"),
    ],
)
def test_what_is_on_its_way_is_waited_for(state: InstanceState, word: str) -> None:
    found = now(known(instances=(instance(state=state, ready=""),)))
    assert isinstance(found, act.Wait)
    assert word in found.because


def test_a_stopped_node_is_started_unless_a_person_stopped_it() -> None:
    stopped = instance(state=InstanceState.STOPPED)
    assert isinstance(now(known(instances=(replace(stopped, reason_code=BY_NODE),))), act.Start)
    assert isinstance(now(known(instances=(replace(stopped, reason_code=BY_USER),))), act.Hold)


def test_a_running_instance_is_set_up_once_it_is_there() -> None:
    found = now(known(instances=(instance(ready=""),)))
    assert found == act.SetUp(name="mynode", because=found.because, instance_id="i-1", whole=True)


def test_an_instance_that_never_became_usable_is_replaced() -> None:
    case = known(instances=(instance(ready=""),), set_up_failures=6, unready_for=1000)
    assert isinstance(now(case), act.Release)
    assert isinstance(now(replace(case, unready_for=10)), act.SetUp)


def test_a_missing_agent_is_started_without_the_whole_set_up() -> None:
    found = now(known(instances=(instance(),), answer=Absent()))
    assert isinstance(found, act.SetUp)
    assert not found.whole


def test_an_agent_that_can_not_be_started_is_told() -> None:
    case = known(instances=(instance(),), answer=Absent(why="no python3"), set_up_failures=6)
    found = now(case)
    assert isinstance(found, act.Hold)
    assert "no python3" in found.because


def test_a_rebooted_node_is_set_up_anew() -> None:
    found = now(known(instances=(instance(),), answer=report(boot_id="boot-2")))
    assert isinstance(found, act.SetUp)
    assert found.whole


@pytest.mark.parametrize("answer", [Silent(age=9999), Unreachable(why="timed out"), Unasked()])
def test_a_silent_node_is_left_alone(answer: object) -> None:
    found = now(known(instances=(instance(),), answer=answer))
    assert isinstance(found, act.Wait)


def test_a_set_up_in_progress_is_waited_for() -> None:
    found = now(known(instances=(instance(ready=""),), busy="is being set up"))
    assert isinstance(found, act.Wait)


def test_an_idle_node_gets_the_command() -> None:
    found = now(known(instances=(instance(),), answer=report()))
    assert found == act.Run(
        name="mynode", because=found.because, instance_id="i-1", attempt=1, generation=1, failures=0
    )


def test_an_attempt_that_was_written_but_not_started_keeps_its_number() -> None:
    case = known(record=record(attempt=Attempt(number=3, generation=1)), instances=(instance(),), answer=report())
    assert getattr(now(case), "attempt", 0) == 3


def test_a_new_instance_gets_a_new_number() -> None:
    case = known(
        record=record(generation=2, born="i-2", attempt=Attempt(number=3, generation=1)),
        instances=(instance(2, generation=2),),
        answer=report(2),
    )
    assert getattr(now(case), "attempt", 0) == 4


def test_no_number_is_used_twice_where_home_is_older_than_the_record() -> None:
    assert getattr(now(known(instances=(instance(),), answer=report(), last_run=7)), "attempt", 0) == 8


@pytest.mark.parametrize(("saved", "words"), [(True, "attempt 8 goes on from the last checkpoint"), (False, "starts")])
def test_only_what_was_saved_is_gone_on_from(saved: bool, words: str) -> None:
    seen = known(instances=(instance(),), answer=report(), last_run=7, has_saved=saved)
    assert now(seen).because.endswith(words)


def test_a_running_command_is_left_alone() -> None:
    case = known(instances=(instance(),), answer=report(phase=NodePhase.RUNNING, run=run()), failed_for=10_000)
    found = now(case)
    assert isinstance(found, act.Wait)
    assert found.because == "attempt 1 runs on i-1"
    left = replace(case, answer=report(phase=NodePhase.RUNNING, run=run(lingering=2)))
    assert "2 of its processes go on" in now(left).because


def test_a_clean_end_is_written_down_before_the_node_is_released() -> None:
    ended = run(state=RunState.EXITED, exit=0)
    found = now(known(instances=(instance(),), answer=report(run=ended)))
    assert isinstance(found, act.RecordOutcome)
    assert found.finished
    after = known(record=record(outcome=DONE), instances=(instance(),), answer=report(run=ended))
    assert isinstance(now(after), act.Release)
    assert now(replace(after, instances=())) == act.Finish(
        name="mynode", because="finished at 2026-01-31 00:00:00 UTC", succeeded=True
    )


def test_a_clean_end_counts_also_when_its_node_is_gone() -> None:
    ended = report(run=run(state=RunState.EXITED, exit=0))
    assert isinstance(now(known(instances=(instance(state=GONE, reason=LOST),), answer=ended)), act.RecordOutcome)


def test_status_zero_during_a_notice_is_no_end() -> None:
    cut = run(state=RunState.EXITED, exit=0, interrupted=True)
    found = now(known(instances=(instance(),), answer=report(phase=NodePhase.DRAINED, run=cut)))
    assert isinstance(found, act.RecordDrained)


def test_a_drained_node_is_replaced_while_it_still_lives() -> None:
    case = known(record=record(drained=1), instances=(instance(),), answer=report(phase=NodePhase.DRAINED))
    found = now(case)
    assert isinstance(found, act.Launch)
    assert found.generation == 2


def test_a_notice_alone_replaces_nothing() -> None:
    case = known(instances=(instance(),), answer=report(phase=NodePhase.DRAINING, notice="terminate", run=run()))
    found = now(case)
    assert isinstance(found, act.Wait)
    assert "asked to save its work" in found.because


def test_a_closed_request_of_a_silent_node_is_waited_out() -> None:
    request = SpotRequest(id="sir-1", state=SpotState.CLOSED, code="instance-terminated-no-capacity", instance_id="i-1")
    case = known(instances=(instance(),), requests=(request,), answer=Unreachable(why="timed out"))
    found = now(case)
    assert isinstance(found, act.Wait)
    assert "EC2 takes" in found.because


def test_a_drained_node_that_ec2_does_not_take_is_released_after_a_while() -> None:
    case = known(
        record=record(generation=2, born="i-2", drained=1),
        instances=(instance(1), instance(2, InstanceState.PENDING, generation=2)),
        overdue_for=10,
    )
    assert isinstance(now(case), act.Wait)
    found = now(replace(case, overdue_for=1000))
    assert isinstance(found, act.Release)
    assert found.instance_id == "i-1"


def test_a_second_instance_that_was_never_set_up_is_released() -> None:
    found = now(known(instances=(instance(1), instance(2, ready=""))))
    assert isinstance(found, act.Release)
    assert found.instance_id == "i-2"


def test_of_two_nodes_that_may_both_run_the_command_none_is_ended() -> None:
    assert isinstance(now(known(instances=(instance(1), instance(2)))), act.Hold)


def failing(failures: int, status: int = 3, **more: object) -> NameLook:
    answer = report(run=run(state=RunState.EXITED, exit=status))
    attempt = Attempt(number=1, generation=1, failures=failures)
    return known(record=record(attempt=attempt), instances=(instance(),), answer=answer, **more)


def test_a_failed_command_is_started_again_after_a_pause_that_grows() -> None:
    assert isinstance(now(failing(0, failed_for=5)), act.Wait)
    found = now(failing(0, failed_for=11))
    assert isinstance(found, act.Run)
    assert (found.attempt, found.failures) == (2, 1)
    assert isinstance(now(failing(2, failed_for=11)), act.Wait)
    assert isinstance(now(failing(2, failed_for=41)), act.Run)


def test_after_the_last_restart_it_gives_up() -> None:
    found = now(failing(3, failed_for=10_000))
    assert isinstance(found, act.RecordOutcome)
    assert (found.finished, found.exit) == (False, 3)


@pytest.mark.parametrize("status", [126, 127])
def test_a_command_that_does_not_exist_is_not_tried_again(status: int) -> None:
    assert isinstance(now(failing(0, status)), act.RecordOutcome)


def test_failures_long_apart_are_not_in_a_row() -> None:
    case = failing(3, failed_for=10_000)
    long_ago = run(state=RunState.EXITED, exit=3, started=0, ended=4000)
    assert isinstance(now(replace(case, answer=report(run=long_ago))), act.Run)


def test_what_a_reboot_cut_off_is_no_failure() -> None:
    cut = run(state=RunState.LOST, boot_id="boot-0")
    case = known(
        record=record(attempt=Attempt(number=1, generation=1)), instances=(instance(),), answer=report(run=cut)
    )
    found = now(case)
    assert isinstance(found, act.Run)
    assert (found.attempt, found.failures) == (2, 0)


def test_a_run_of_an_earlier_job_is_history() -> None:
    old = run(state=RunState.EXITED, exit=0)
    again = record(attempt=Attempt(number=1, generation=1, floor=1))
    found = now(known(record=again, instances=(instance(),), answer=report(run=old)))
    assert isinstance(found, act.Run)
    assert found.attempt == 2


def test_giving_up_releases_the_node_unless_it_is_to_be_kept() -> None:
    case = known(record=record(outcome=FAILED), instances=(instance(),))
    assert isinstance(now(case), act.Release)
    found = now(case, wish(on_failure=After.KEEP))
    assert isinstance(found, act.Finish)
    assert not found.succeeded
    assert isinstance(now(case, wish(on_failure=After.STOP, market=Market.ON_DEMAND)), act.Stop)


def test_another_driver_is_left_alone() -> None:
    assert isinstance(now(known(holder="you@there:1", instances=(instance(),))), act.StandBack)
    assert isinstance(now(NameLook(holder="you@there:1")), act.StandBack)


def test_without_the_master_nothing_is_done() -> None:
    case = known(record=record(generation=0, born=""))
    assert isinstance(now(case, cluster=ClusterState.NO_MASTER), act.Wait)


def test_without_the_cluster_the_user_is_told() -> None:
    assert isinstance(now(known(), cluster=ClusterState.GONE), act.Hold)


def test_a_complaint_is_told_with_its_hint() -> None:
    found = now(known(complaint="no quota\nask for more"))
    assert isinstance(found, act.Hold)
    assert (found.because, found.hint) == ("no quota", "ask for more")


def test_a_pause_keeps_from_launching() -> None:
    case = known(record=record(generation=0, born=""), pause=5, pause_because="EC2 is slow")
    found = now(case)
    assert isinstance(found, act.Wait)
    assert found.because == "EC2 is slow"


def test_an_open_request_is_waited_for_and_then_taken_back() -> None:
    request = SpotRequest(id="sir-1", state=SpotState.OPEN, code="pending-evaluation")
    case = known(record=record(generation=0, born=""), requests=(request,))
    assert isinstance(now(case), act.Wait)
    found = now(replace(case, asking_for=700))
    assert isinstance(found, act.CancelRequests)
    assert found.request_ids == ("sir-1",)


def test_a_setup_that_goes_on_is_told_from_the_command() -> None:
    case = known(instances=(instance(),), answer=report(run=run(state=RunState.RUNNING, stage="setup")))
    assert "setup command" in decide(wish(), look(case)).because


def test_a_setup_that_failed_is_tried_again_and_then_told() -> None:
    ended = run(state=RunState.EXITED, exit=7, stage="setup", ended=1.0)
    case = known(instances=(instance(),), answer=report(run=ended), failed_for=10_000)
    again = decide(wish(), look(case))
    assert isinstance(again, act.Run)
    assert "setup command on this node" in again.because
    over = decide(wish(max_restarts=0), look(case))
    assert isinstance(over, act.RecordOutcome)
    assert (over.finished, over.exit) == (False, 7)


def test_a_setup_ended_with_zero_is_no_finished_command() -> None:
    ended = run(state=RunState.EXITED, exit=0, stage="setup", interrupted=False)
    case = known(instances=(instance(),), answer=report(run=ended))
    assert not isinstance(decide(wish(), look(case)), act.RecordOutcome)
