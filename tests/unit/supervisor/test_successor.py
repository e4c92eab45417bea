"""rebalance = replace: another instance is made ready while the one at risk works on, and then takes the name."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster.namerecord import (
    SUCCESSOR,
    Intent,
    NameRecord,
    Outcome,
    OutcomeState,
    Successor,
    read_record,
    record_tags,
)
from starcluster.cluster.record import PREPARED
from starcluster.model import (
    BlockDevice,
    Instance,
    InstanceState,
    LaunchRequest,
    LaunchTemplate,
    SpotRequest,
    SpotState,
)
from starcluster.supervisor import actions as act
from starcluster.supervisor import telling
from starcluster.supervisor.case import Case
from starcluster.supervisor.look import Look, NameLook, NodePhase, RunState, Silent
from starcluster.supervisor.loop import Driver, Ended
from starcluster.supervisor.noderules import BY_USER
from starcluster.supervisor.orders import OUR_DRAIN
from starcluster.supervisor.plan import decide
from starcluster.supervisor.succession import key_of
from starcluster.supervisor.wishes import After, Fallback, Rebalance, Wish
from tests.fakes.ec2 import fake_error
from tests.unit.supervisor.stage import FakeAgent, Scene
from tests.unit.supervisor.world import NOW, POOL, instance, known, look, record, report, run, wish

HINT = "2026-01-31T12:00:00Z"
ASKED = wish(rebalance=Rebalance.REPLACE)
INTENT = Intent(token="t-2", pool=POOL, at=NOW)


def heir(**facts: object) -> Successor:
    return Successor(**({"generation": 2, "try_number": 1, "at": NOW, "intent": INTENT, "born": "i-2"} | facts))  # type: ignore[arg-type]


def second(state: InstanceState = InstanceState.RUNNING, **tags: str) -> Instance:
    made = instance(2, state, generation=2, ready="", token="t-2")
    return replace(made, tags={**made.tags, **tags})


def at_risk(
    *others: Instance, mine: NameRecord | None = None, first: Instance | None = None, **more: object
) -> NameLook:
    working = report(phase=NodePhase.RUNNING, run=run(1), rebalance="a moment")
    facts = {"answer": working, "successor_age": 10.0, "record": mine or record()} | more
    return known(instances=(first or instance(), *others), **facts)


def now(case: NameLook, asked: Wish = ASKED, **more: object) -> act.Action:
    return decide(asked, look(case, **more))


def with_heir(*others: Instance, one: Successor | None = None, **more: object) -> NameLook:
    return at_risk(*others, mine=record(successor=one or heir()), **more)


# the record


def test_the_record_keeps_the_successor_in_one_tag() -> None:
    for one in (heir(), heir(intent=None, born=""), None):
        tags = record_tags(record(successor=one))
        assert len(tags[SUCCESSOR]) <= 256
        assert read_record(LaunchTemplate(id="lt-1", name="sc", tags=tags)).successor == one
    assert record(generation=3, successor=heir()).highest == 3
    assert record(successor=heir()).highest == 2


# the hint


def test_on_a_hint_a_replacement_is_asked_for_and_the_old_node_works_on() -> None:
    found = now(at_risk())
    assert isinstance(found, act.LaunchSuccessor)
    assert (found.generation, found.try_number, found.pool) == (2, 1, POOL)
    assert isinstance(now(at_risk(), wish()), act.Wait), "a checkpoint is the agent's own affair"
    assert isinstance(now(replace(at_risk(), answer=report(run=run(1)))), act.Wait), "no hint"


def test_no_replacement_is_asked_for_while_it_would_not_help() -> None:
    def asks(case: NameLook) -> bool:
        return isinstance(now(case), act.LaunchSuccessor)

    assert not asks(replace(at_risk(), replaced_lately=True))
    assert not asks(replace(at_risk(), successor_pause=1.0))
    taken = SpotRequest(id="sir-1", state=SpotState.CLOSED, code="a-code", instance_id="i-1")
    assert not asks(replace(at_risk(), requests=(taken,)))
    for last in (run(1, stage="setup"), run(1, RunState.EXITED, exit=3), run(1, lingering=1), None):
        assert not asks(replace(at_risk(), answer=report(run=last, rebalance="a moment")))
    assert not asks(replace(at_risk(), answer=report(run=run(1), rebalance="a moment", notice="terminate")))
    assert not asks(replace(at_risk(), answer=Silent(age=1)))


def test_without_capacity_the_old_node_goes_on_and_the_full_price_is_not_paid() -> None:
    careful = replace(ASKED, fallback=Fallback.ON_DEMAND, spot_max_wait=0.0)
    dry = now(at_risk(asking_for=0.0), replace(careful, spot_max_wait=1.0), avoid={POOL: 100.0})
    assert isinstance(dry, act.Wait)
    assert dry.because == "attempt 1 runs on i-1"
    assert isinstance(now(at_risk(), replace(careful, spot_max_wait=1.0)), act.LaunchSuccessor)


def test_a_pool_other_than_that_at_risk_is_preferred_in_the_zone_of_the_volumes() -> None:
    kinds = replace(ASKED, instance_types=("c5.large", "m5.large"), zones=("z-2", "us-east-1a"))
    here = replace(instance(), instance_type="c5.large")
    found = now(at_risk(first=here), kinds)
    assert isinstance(found, act.LaunchSuccessor)
    assert (found.pool.instance_type, found.pool.zone) == ("c5.large", "z-2")
    with_disk = replace(here, block_devices=(BlockDevice(device="/dev/sdf", volume_id="vol-1"),))
    found = now(at_risk(first=with_disk), kinds)
    assert isinstance(found, act.LaunchSuccessor)
    assert (found.pool.instance_type, found.pool.zone) == ("m5.large", "us-east-1a")
    only = now(at_risk(first=here), wish(rebalance=Rebalance.REPLACE))
    assert isinstance(only, act.LaunchSuccessor), "the own pool is better than none"


def test_after_a_refusal_the_next_try_has_a_token_of_its_own() -> None:
    found = now(with_heir(one=heir(intent=None, born="", try_number=3)))
    assert isinstance(found, act.LaunchSuccessor)
    assert (found.generation, found.try_number) == (2, 4)
    dead = now(with_heir(second(InstanceState.TERMINATED)))
    assert isinstance(dead, act.LaunchSuccessor)
    assert (dead.generation, dead.try_number) == (3, 1)


# on its way


def test_a_successor_boots_is_made_ready_and_only_then_is_the_old_node_drained() -> None:
    assert isinstance(now(with_heir()), act.Wait), "not shown yet"
    assert "boots" in now(with_heir(second(InstanceState.PENDING))).because
    prepare = now(with_heir(second()))
    assert isinstance(prepare, act.Prepare)
    assert (prepare.instance_id, prepare.plugins) == ("i-2", True)
    assert "made ready" in now(with_heir(second(), successor_busy=True)).because
    drain = now(with_heir(second(**{PREPARED: "yes"})))
    assert isinstance(drain, act.Drain)
    assert drain.instance_id == "i-1"


def test_volumes_of_the_old_node_are_left_to_it() -> None:
    disk = BlockDevice(device="/dev/sdf", volume_id="vol-1")
    found = now(with_heir(second(), first=replace(instance(), block_devices=(disk,))))
    assert isinstance(found, act.Prepare)
    assert not found.plugins


def test_a_launch_whose_answer_was_lost_is_asked_for_again_or_found_by_its_token() -> None:
    lost = heir(born="")
    assert isinstance(now(with_heir(one=lost)), act.ReplaySuccessor)
    assert isinstance(now(with_heir(one=lost, successor_pause=3.0)), act.Wait)
    assert isinstance(now(with_heir(second(), one=lost)), act.Prepare)


def test_a_successor_that_is_not_shown_for_long_is_given_up() -> None:
    assert isinstance(now(with_heir(successor_age=299.0)), act.Wait)
    assert isinstance(now(with_heir(successor_age=300.0)), act.LaunchSuccessor)


def test_a_successor_that_can_not_be_made_ready_is_ended_and_the_old_node_works_on() -> None:
    assert isinstance(now(with_heir(second(), successor_pause=2.0, successor_failures=5)), act.Wait)
    found = now(with_heir(second(), successor_failures=6))
    assert isinstance(found, act.Release)
    assert found.instance_id == "i-2"


def test_nobody_is_drained_for_a_successor_that_ec2_takes() -> None:
    taken = SpotRequest(id="sir-2", state=SpotState.CLOSED, code="a-code", instance_id="i-2")
    assert isinstance(now(with_heir(second(**{PREPARED: "yes"}), requests=(taken,))), act.Wait)
    assert isinstance(now(with_heir(second(InstanceState.SHUTTING_DOWN))), act.Wait)


def test_while_the_old_node_starts_its_command_nothing_is_done_for_the_successor() -> None:
    idle = replace(with_heir(second()), answer=report())
    assert isinstance(now(idle), act.Run)


# the change


def succeeds(case: NameLook) -> bool:
    found = now(case)
    assert not isinstance(found, act.Launch)
    return isinstance(found, act.Succeed) and found.generation == 2


def test_the_successor_takes_the_name_of_a_node_that_is_drained_or_dead_however_far_it_is() -> None:
    mine = record(successor=heir())
    for state in (InstanceState.PENDING, InstanceState.RUNNING):
        assert succeeds(at_risk(second(state), mine=replace(mine, drained=1)))
        assert succeeds(at_risk(second(state), mine=mine, first=instance(1, InstanceState.TERMINATED)))
    assert succeeds(at_risk(mine=replace(mine, drained=1)))
    assert succeeds(at_risk(mine=replace(mine, drained=1, successor=heir(born=""))))
    dying = at_risk(second(), mine=mine, first=instance(1, InstanceState.SHUTTING_DOWN))
    assert isinstance(now(dying), act.Wait), "a generation rises when the last one is dead"


def test_without_a_living_successor_another_instance_is_asked_for_with_a_generation_of_its_own() -> None:
    drained = record(successor=heir(), drained=1)
    gone = now(at_risk(second(InstanceState.TERMINATED), mine=drained))
    assert isinstance(gone, act.Launch)
    assert (gone.generation, gone.try_number) == (3, 1)
    refused = now(at_risk(mine=replace(drained, successor=heir(intent=None, born=""))))
    assert isinstance(refused, act.Launch)
    assert refused.generation == 3


def test_what_only_stands_by_is_neither_a_second_node_nor_adopted() -> None:
    mine = record(successor=heir())
    assert isinstance(now(with_heir(second())), act.Prepare)
    silent = replace(with_heir(second()), answer=Silent(age=1))
    assert isinstance(now(silent), act.Wait)
    gone = at_risk(second(), mine=mine, first=instance(1, InstanceState.TERMINATED))
    assert isinstance(now(gone), act.Succeed)


def test_a_later_instance_that_the_record_does_not_know_ends_after_a_while() -> None:
    """The record may be read late: it is not ended at the first sight."""
    assert isinstance(now(at_risk(second(), stray_for=299.0, replaced_lately=True)), act.Wait)
    found = now(at_risk(second(), stray_for=300.0, replaced_lately=True))
    assert isinstance(found, act.Release)
    assert found.instance_id == "i-2"


# the end


@pytest.mark.parametrize("after", [After.RELEASE, After.KEEP])
def test_at_the_end_the_successor_is_ended_whatever_becomes_of_the_node(after: After) -> None:
    over = record(outcome=Outcome(state=OutcomeState.FINISHED, at=NOW, exit=0), successor=heir())
    both = at_risk(second(), mine=over)
    found = now(both, replace(ASKED, on_success=after))
    assert isinstance(found, act.Release)
    left = now(replace(both, instances=(instance(),)), replace(ASKED, on_success=after))
    assert isinstance(left, act.Finish if after is After.KEEP else act.Release)
    if after is After.KEEP:
        assert found.instance_id == "i-2"


def test_before_the_user_is_asked_to_act_the_successor_is_ended() -> None:
    mine = record(successor=heir())
    by_person = at_risk(second(), mine=mine, first=instance(1, InstanceState.TERMINATED, reason=BY_USER))
    found = now(by_person)
    assert isinstance(found, act.Release)
    assert found.instance_id == "i-2"
    assert isinstance(now(replace(by_person, pause=1.0, begun=True, complaint="no")), act.Hold)
    ended = replace(by_person, instances=(by_person.instances[0], second(InstanceState.SHUTTING_DOWN)))
    assert isinstance(now(ended), act.Wait | act.Hold)
    assert isinstance(now(replace(with_heir(second()), complaint="a quota\nask for more")), act.Release)


def test_a_case_knows_no_successor_of_a_generation_that_has_come() -> None:
    case = Case(ASKED, known(record=record(generation=2, born="i-2", successor=heir()), instances=(second(),)), look())
    assert (case.successor, case.successor_instance, case.has_successor) == (None, None, False)
    assert case.current == second()


# looks, plans and acts together


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def working(scene: Scene, asked: Wish = ASKED) -> Driver:
    driver = scene.driver(asked)
    scene.rounds(driver, 8)
    assert scene.agent().ran == [1]
    return driver


def agents(scene: Scene) -> list[FakeAgent]:
    return [scene.machines.agent(one.id) for one in scene.nodes()]


def drains(agent: FakeAgent) -> int:
    return [one["op"] for one in agent.orders].count("drain")


def test_the_old_node_works_until_the_new_one_is_ready_and_then_is_ended(scene: Scene) -> None:
    driver = working(scene, replace(ASKED, setup_command="pip install x", checkpoint_command="save"))
    scene.agent().rebalance = HINT
    scene.machines.ends_with = 0  # the setup command
    scene.rounds(driver, 1)
    first, new = agents(scene)
    assert scene.record().generation == 1
    assert (drains(first), new.orders) == (0, [])
    for _ in range(20):
        scene.rounds(driver, 1)
        if drains(first):
            break
        assert first.run is not None
        assert first.run["state"] == "running"
    new.ends_with = None
    assert scene.machines.prepared == [(new.instance_id, True)]
    assert new.stands_by
    ahead = next(one for one in new.orders if one["op"] == "run")
    assert (ahead["attempt"], ahead["setup_command"], ahead["command"]) == (0, "pip install x", ":")
    assert ahead["checkpoint_command"] == ""
    assert drains(first) >= 1
    first.drain()
    scene.rounds(driver, 8)
    assert scene.record().generation == 2
    assert scene.record().born == new.instance_id
    assert new.ran == [0, 2]
    assert not new.stands_by
    scene.rounds(driver, 10, pause=60)
    assert [one.id for one in scene.alive()] == [new.instance_id]


def test_the_hour_between_two_replacements_is_in_the_record(scene: Scene) -> None:
    driver = working(scene)
    scene.agent().rebalance = HINT
    scene.rounds(driver, 6)
    first, new = agents(scene)
    first.drain()
    scene.rounds(driver, 10)
    assert new.ran == [2]
    new.rebalance = "2026-01-31T12:10:00Z"
    scene.rounds(driver, 10)
    another = scene.driver(ASKED, me="me@here:2:2")
    scene.clock.time += 200  # the lease of the first one
    scene.rounds(another, 10)
    assert len(scene.nodes()) == 2
    scene.clock.time += 3600
    scene.rounds(another, 2)
    assert len(scene.nodes()) == 3
    assert [drains(one) for one in agents(scene)[1:]] == [0, 0]


def test_a_driver_that_is_killed_leaves_all_that_the_next_one_needs(scene: Scene) -> None:
    working(scene)
    scene.agent().rebalance = HINT
    for _ in range(12):  # one round each, by a driver that remembers nothing
        scene.rounds(scene.driver(ASKED), 2)
    first, new = agents(scene)
    assert drains(first) >= 1
    first.drain()
    for _ in range(12):
        scene.rounds(scene.driver(ASKED), 2)
    assert new.ran == [2]
    assert len(scene.nodes()) == 2


def test_no_capacity_is_told_once_and_changes_nothing(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="starcluster")
    driver = working(scene, replace(ASKED, fallback=Fallback.ON_DEMAND, spot_max_wait=60.0))
    scene.agent().rebalance = HINT
    scene.ec2.refuse("InsufficientInstanceCapacity")
    scene.rounds(driver, 60, pause=30)
    told = [one for one in caplog.messages if "no replacement is to be had" in one]
    assert len(told) == 1
    assert len([one for one in caplog.messages if "asked for a replacement" in one]) == 1
    (node,) = scene.alive()
    assert (scene.agent().ran, drains(scene.agent())) == ([1], 0)
    assert scene.record().born == node.id
    assert scene.record().asking_since is None
    scene.ec2.relent()
    scene.rounds(driver, 8, pause=60)
    assert len(scene.nodes()) == 2


def test_a_quota_is_told_and_not_asked_against_for_an_hour(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    driver = working(scene)
    scene.agent().rebalance = HINT
    scene.ec2.refuse("MaxSpotInstanceCountExceeded")
    scene.ec2.calls.clear()
    scene.rounds(driver, 30, pause=60)
    assert [name for name, _ in scene.ec2.calls].count("instances.launch") == 1
    assert "no replacement is to be had now" in caplog.text
    assert driver.sites[0].results == {}
    scene.rounds(driver, 40, pause=60)
    assert [name for name, _ in scene.ec2.calls].count("instances.launch") == 2


def test_trouble_with_the_successor_pauses_nothing_else(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    driver = working(scene)
    scene.agent().rebalance = HINT
    scene.ec2.refuse("InternalError")
    scene.rounds(driver, 20)
    assert "its replacement has to wait" in caplog.text
    scene.agent().end(0)
    scene.rounds(driver, 5)
    assert driver.sites[0].results == {"mynode": Ended.FINISHED}
    assert not scene.alive()


def test_credentials_that_run_out_are_the_drivers_trouble(scene: Scene) -> None:
    driver = working(scene)
    scene.agent().rebalance = HINT
    scene.ec2.fail_next("instances.launch", fake_error("RequestExpired"))
    scene.rounds(driver, 1, pause=1.0)
    assert driver.sites[0].executor.memory.pause("mynode")[0] > 0


def test_a_finished_command_ends_both_instances(scene: Scene) -> None:
    driver = working(scene)
    scene.agent().rebalance = HINT
    scene.rounds(driver, 2)
    first, _ = agents(scene)
    first.end(0)
    scene.rounds(driver, 8)
    assert driver.sites[0].results == {"mynode": Ended.FINISHED}
    assert not scene.alive()


def test_a_node_that_dies_meanwhile_is_followed_by_the_one_under_way(scene: Scene) -> None:
    driver = working(scene)
    scene.agent().rebalance = HINT
    scene.rounds(driver, 2)
    first, new = scene.nodes()
    scene.lose(first)
    scene.rounds(driver, 15)
    assert scene.machines.agent(new.id).ran == [2]
    assert len(scene.nodes()) == 2


def test_set_ups_that_fail_end_the_successor_and_not_the_work(scene: Scene) -> None:
    driver = working(scene)
    scene.agent().rebalance = HINT
    scene.machines.fail_set_up = [exception.SSHConnectionError("no route to host") for _ in range(20)]
    scene.rounds(driver, 60, pause=20)
    first, new = scene.nodes()
    assert new.state is not InstanceState.RUNNING
    assert first.state is InstanceState.RUNNING
    assert drains(scene.machines.agent(first.id)) == 0
    assert new.id in scene.record().released


def test_a_setup_command_that_fails_on_the_new_node_keeps_the_old_one(scene: Scene) -> None:
    driver = working(scene, replace(ASKED, setup_command="false"))
    scene.machines.ends_with = 3
    scene.agent().rebalance = HINT
    scene.rounds(driver, 60, pause=20)
    first, new = agents(scene)
    assert drains(first) == 0
    assert new.ran == [0]
    assert new.instance_id not in [one.id for one in scene.alive()]


def test_a_launch_whose_answer_was_lost_is_not_made_twice(scene: Scene) -> None:
    driver = working(scene)
    scene.agent().rebalance = HINT
    scene.rounds(driver, 1)
    mine = scene.record()
    assert mine.successor is not None
    scene.records.change(mine, successor=replace(mine.successor, born=""))
    scene.ec2.lag = 3
    scene.rounds(driver, 10)
    assert len(scene.nodes()) == 2
    assert scene.ec2.count("instances.launch") == 4, "the master's, the first one, the second one and its replay"
    assert scene.record().successor == mine.successor


# acts that come late: the record is another one by now, or the instance is not there


def asking(scene: Scene) -> tuple[Driver, NameLook]:
    """A driver that works and what it would go by when it asks for a successor."""
    driver = working(scene)
    return driver, known(instances=tuple(scene.nodes()), record=scene.record())


def do(driver: Driver, action: act.Action, seen: NameLook) -> None:
    driver.sites[0].executor.do(action, ASKED, Look(names={"mynode": seen}))


def launches(scene: Scene) -> int:
    return scene.ec2.count("instances.launch")


LAUNCH = act.LaunchSuccessor(name="mynode", because="a hint", pool=POOL, generation=2, try_number=1)
REPLAY = act.ReplaySuccessor(name="mynode", because="no answer")


def test_a_launch_for_a_record_that_has_moved_is_not_made(scene: Scene) -> None:
    driver, seen = asking(scene)
    before = launches(scene)
    scene.records.change(scene.record(), drained=1)
    do(driver, LAUNCH, seen)
    assert (launches(scene), scene.record().successor) == (before, None)
    driver.sites[0].executor.memory.avoid(POOL)
    do(driver, LAUNCH, replace(seen, record=scene.record()))
    assert launches(scene) == before, "another name has just been refused there"


def test_a_replay_for_a_record_that_has_moved_is_not_made(scene: Scene) -> None:
    driver, _ = asking(scene)
    lost = scene.records.change(scene.record(), successor=heir(born=""))
    before = launches(scene)
    scene.records.change(lost, drained=1)
    do(driver, REPLAY, known(record=lost))
    assert launches(scene) == before


def test_a_change_that_was_planned_by_an_older_record_is_not_made(scene: Scene) -> None:
    driver, _ = asking(scene)
    planned = scene.records.change(scene.record(), successor=heir(), drained=1)
    succeed = act.Succeed(name="mynode", because="it is drained", generation=2)
    scene.records.change(planned, successor=heir(try_number=2))
    do(driver, succeed, known(record=planned))
    assert scene.record().generation == 1
    do(driver, succeed, known(record=scene.record()))
    assert scene.record().generation == 2


def test_what_is_not_shown_is_not_made_ready(scene: Scene) -> None:
    driver, seen = asking(scene)
    do(driver, act.Prepare(name="mynode", because="", instance_id="i-9", plugins=True), seen)
    assert scene.machines.prepared == []


@pytest.mark.parametrize(
    ("code", "age"), [("IdempotentInstanceTerminated", 0.0), ("IdempotentParameterMismatch", 300.0)]
)
def test_a_token_that_was_spent_on_nothing_takes_the_intent_back(scene: Scene, code: str, age: float) -> None:
    driver, _ = asking(scene)
    lost = scene.records.change(scene.record(), successor=heir(born=""))
    scene.ec2.fail_next("instances.launch", exception.TokenSpent("it is spent", code=code))
    do(driver, REPLAY, known(record=lost, successor_age=age))
    assert scene.record().successor == heir(born="", intent=None)


def test_a_token_that_was_spent_with_other_words_is_waited_for(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    driver, _ = asking(scene)
    lost = scene.records.change(scene.record(), successor=heir(born=""))
    scene.ec2.fail_next("instances.launch", exception.TokenSpent("it is spent", code="IdempotentParameterMismatch"))
    do(driver, REPLAY, known(record=lost, successor_age=299.0))
    assert scene.record().successor == heir(born="")
    assert "does not show the replacement" in caplog.text


def test_a_token_that_was_spent_on_an_instance_finds_it(scene: Scene) -> None:
    driver, seen = asking(scene)
    do(driver, LAUNCH, seen)
    mine = scene.record()
    assert mine.successor is not None
    lost = scene.records.change(mine, successor=replace(mine.successor, born=""))
    scene.ec2.fail_next("instances.launch", exception.TokenSpent("it is spent", code="IdempotentParameterMismatch"))
    do(driver, REPLAY, known(record=lost))
    assert scene.record().successor == mine.successor


def test_a_refusal_that_nobody_knows_is_tried_again_with_a_token_of_its_own(scene: Scene) -> None:
    driver, seen = asking(scene)
    scene.ec2.fail_next("instances.launch", exception.AWSError("something new", code="SomethingNew"))
    do(driver, LAUNCH, seen)
    heir_now, memory = scene.record().successor, driver.sites[0].executor.memory
    assert heir_now is not None
    assert heir_now.intent is None
    assert memory.pause(key_of("mynode"))[0] > 0
    assert ("replaced", "mynode") not in memory.avoided_acts()


@pytest.mark.parametrize("answer", ["made", "refused", "spent"])
def test_who_slept_in_a_launch_writes_nothing_over_what_another_driver_wrote(scene: Scene, answer: str) -> None:
    driver, seen = asking(scene)
    ask = scene.machines.launch_request

    def slept(**words: Any) -> LaunchRequest:
        scene.records.change(scene.record(), generation=2, born="i-other", successor=None)
        return ask(**words)

    scene.machines.launch_request = slept  # type: ignore[method-assign]
    if answer == "refused":
        scene.ec2.refuse("InsufficientInstanceCapacity")
    if answer == "spent":
        scene.ec2.fail_next("instances.launch", exception.TokenSpent("spent", code="IdempotentInstanceTerminated"))
    do(driver, LAUNCH, seen)
    assert (scene.record().generation, scene.record().born, scene.record().successor) == (2, "i-other", None)


def test_a_replay_that_finds_nothing_to_ask_for_ends_no_pause(scene: Scene) -> None:
    driver, seen = asking(scene)
    memory = driver.sites[0].executor.memory
    memory.back_off(key_of("mynode"), "it went wrong")
    before = memory.pause(key_of("mynode"))
    do(driver, REPLAY, seen)
    assert memory.pause(key_of("mynode")) == before


def test_our_own_drain_is_not_told_as_ec2s_notice() -> None:
    told = [telling._notice_words({"action": action}) for action in (OUR_DRAIN, "terminate")]
    assert told == [
        "the instance makes room for its replacement",
        "EC2's notice has come: the instance will be taken",
    ]
