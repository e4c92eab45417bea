"""What holds for the planner in every world."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as some

from starcluster.cluster.namerecord import Attempt, Intent, Outcome, OutcomeState
from starcluster.model import InstanceState, SpotRequest, SpotState
from starcluster.supervisor import actions as act
from starcluster.supervisor.look import (
    Absent,
    Answer,
    ClusterState,
    Look,
    NameLook,
    NodePhase,
    RunReport,
    RunState,
    Silent,
    Unasked,
    Unreachable,
)
from starcluster.supervisor.plan import decide, plan
from tests.unit.supervisor.world import NOW, POOL, World, instance, look, record, report, run, wish

numbers = some.integers(1, 4)
runs = some.one_of(
    some.none(),
    some.builds(
        RunReport,
        attempt=some.integers(1, 5),
        state=some.sampled_from(RunState),
        exit=some.sampled_from([None, 0, 3, 127, -15]),
        interrupted=some.booleans(),
        boot_id=some.sampled_from(["boot-1", "boot-2"]),
        lingering=some.integers(0, 2),
    ),
)
quiet = some.one_of(
    some.builds(Silent, age=some.floats(0, 10_000)),
    some.builds(Unreachable, why=some.just("timed out")),
    some.just(Unasked()),
)
reports = some.builds(
    lambda number, phase, last, boot, notice: report(number, phase, run=last, boot_id=boot, notice=notice),
    numbers,
    some.sampled_from(NodePhase),
    runs,
    some.sampled_from(["boot-1", "boot-2"]),
    some.sampled_from(["", "terminate"]),
)
answers: some.SearchStrategy[Answer] = some.one_of(quiet, some.just(Absent()), reports)
instances = some.lists(
    some.builds(
        lambda number, state, generation, ready, reason: instance(
            number, state, generation=generation, ready=ready, reason=reason
        ),
        numbers,
        some.sampled_from(InstanceState),
        some.integers(0, 3),
        some.sampled_from(["", "boot-1"]),
        some.sampled_from(["", "Client.UserInitiatedShutdown", "Server.SpotInstanceTermination"]),
    ),
    max_size=4,
    unique_by=lambda one: one.id,
)
requests = some.lists(
    some.builds(
        SpotRequest,
        id=some.sampled_from(["sir-1", "sir-2", "sir-3"]),
        state=some.sampled_from(SpotState),
        code=some.just("a-code"),
        instance_id=some.sampled_from(["", "i-1", "i-2"]),
    ),
    max_size=3,
    unique_by=lambda one: one.id,
)
records = some.one_of(
    some.none(),
    some.builds(
        record,
        generation=some.integers(0, 3),
        try_number=some.integers(0, 3),
        intent=some.sampled_from([None, Intent(token="t", pool=POOL, at=NOW)]),
        born=some.sampled_from(["", "i-1", "i-2", "i-9"]),
        attempt=some.builds(
            Attempt,
            number=some.integers(0, 4),
            generation=some.integers(0, 3),
            failures=some.integers(0, 4),
            floor=some.integers(0, 3),
        ),
        outcome=some.sampled_from([None, None, Outcome(state=OutcomeState.FINISHED, at=NOW, exit=0)]),
        drained=some.integers(0, 3),
        released=some.sampled_from([(), ("i-1",)]),
    ),
)


def knowns(answering: some.SearchStrategy[Answer] = answers) -> some.SearchStrategy[NameLook]:
    ages = some.sampled_from([0.0, 50.0, 100_000.0])
    return some.builds(
        NameLook,
        record=records,
        instances=instances.map(tuple),
        requests=requests.map(tuple),
        answer=answering,
        last_run=some.integers(0, 3),
        begun=some.booleans(),
        holder=some.sampled_from(["", "", "", "somebody@else:1:2"]),
        asking_for=ages,
        intent_age=ages,
        unready_for=ages,
        failed_for=ages,
        overdue_for=ages,
        pause=some.sampled_from([0.0, 0.0, 5.0]),
        set_up_failures=some.integers(0, 7),
    )


clusters = some.sampled_from([ClusterState.UP, ClusterState.UP, ClusterState.NO_MASTER, ClusterState.GONE])


@given(knowns(), clusters, some.randoms(use_true_random=False))
def test_the_order_of_what_is_seen_does_not_matter(known: NameLook, cluster: ClusterState, dice: object) -> None:
    def shuffled(items: tuple[object, ...]) -> tuple[object, ...]:
        mixed = list(items)
        dice.shuffle(mixed)  # type: ignore[attr-defined]
        return tuple(mixed)

    other = replace(known, instances=shuffled(known.instances), requests=shuffled(known.requests))  # type: ignore[arg-type]
    assert decide(wish(), look(known, cluster=cluster)) == decide(wish(), look(other, cluster=cluster))


@given(some.dictionaries(some.sampled_from(["mynode", "other", "third"]), knowns(), max_size=3), clusters)
def test_only_what_was_wished_for_is_touched(seen: dict[str, NameLook], cluster: ClusterState) -> None:
    found = plan([wish("mynode"), wish("other")], Look(names=seen, cluster=cluster, zones=("us-east-1a",)))
    assert [action.name for action in found] == ["mynode", "other"]
    for action in found:
        mine = {one.id for one in seen.get(action.name, NameLook()).instances}
        target = getattr(action, "instance_id", None)
        assert target is None or target in mine


@given(knowns(quiet), clusters)
def test_silence_ends_no_running_node_that_was_set_up(known: NameLook, cluster: ClusterState) -> None:
    known = replace(known, record=replace(known.record, outcome=None, drained=0, released=()) if known.record else None)
    found = decide(wish(), look(known, cluster=cluster))
    if isinstance(found, act.Release | act.Stop):
        target = next(one for one in known.instances if one.id == found.instance_id)
        assert not target.tags.get("@sc-ready"), "a node that may be at work was ended without a word from it"
    assert not isinstance(found, act.Launch) or not any(
        one.state is InstanceState.RUNNING and one.tags.get("@sc-generation") == str(known.record.generation)
        for one in known.instances
        if known.record and known.record.generation
    )


@given(knowns(), clusters)
def test_a_new_generation_is_launched_only_when_the_last_is_dead_or_drained(
    known: NameLook, cluster: ClusterState
) -> None:
    found = decide(wish(), look(known, cluster=cluster))
    if not isinstance(found, act.Launch) or known.record is None:
        return
    before = found.generation - 1
    living = [
        one
        for one in known.instances
        if not one.state.is_gone and (one.tags["@sc-generation"] == str(before) or one.id == known.record.born)
    ]
    assert not living or before <= known.record.drained or found.generation == known.record.generation


@given(knowns(), clusters)
def test_every_action_says_why(known: NameLook, cluster: ClusterState) -> None:
    assert decide(wish(), look(known, cluster=cluster)).because


def rounds(world: World, count: int) -> list[act.Action]:
    done = []
    for _ in range(count):
        action = decide(wish(), world.look())
        world.do(action)
        world.advance()
        done.append(action)
    return done


EVENTS = ["round", "notice", "death", "shutdown", "new driver", "lost reply", "refused", "reached", "cut"]
events = some.lists(some.sampled_from(["round", "round", *EVENTS]), max_size=25)


def befall(world: World, event: str) -> None:
    alive = world.alive()
    if event == "round":
        rounds(world, 1)
    elif event == "new driver":
        world.begun = False
    elif event == "lost reply":
        world.lose_next_reply = True
    elif event == "refused":
        world.refuse += 1
    elif event in ("reached", "cut"):
        for machine in world.machines:
            machine.reachable = event == "reached"
    elif alive and event == "notice":
        world.give_notice(alive[-1])
    elif alive and event == "death":
        world.kill(alive[-1])
    elif alive and event == "shutdown":
        world.kill(alive[0], "Client.InstanceInitiatedShutdown")


@settings(max_examples=300, deadline=None)
@given(events)
def test_a_few_obedient_rounds_reach_the_wish_and_then_nothing_is_done(story: list[str]) -> None:
    world = World()
    for event in story:
        befall(world, event)
        assert len(world.working()) <= 1, "the command ran twice at once"
    for machine in world.machines:
        machine.reachable = True
    world.lose_next_reply = False
    rounds(world, 25 + world.refuse)
    (working,) = world.working()
    assert [one.instance.id for one in world.alive()] == [working.instance.id]
    assert len(world.starts) == len(set(world.starts)), "an attempt was started twice"
    assert len({attempt for _, attempt in world.starts}) == len(world.starts), "a number was used twice"
    launches = world.launches
    assert all(isinstance(action, act.Wait) for action in rounds(world, 5))
    assert world.launches == launches


@settings(max_examples=100, deadline=None)
@given(events)
def test_a_finished_command_ends_with_nothing_running(story: list[str]) -> None:
    world = World()
    for event in story:
        befall(world, event)
    for machine in world.machines:
        machine.reachable = True
    world.lose_next_reply = False
    rounds(world, 25 + world.refuse)
    (working,) = world.working()
    assert working.run is not None
    working.run = run(working.run.attempt, RunState.EXITED, exit=0)
    done = rounds(world, 6)
    assert isinstance(done[-1], act.Finish)
    assert not world.alive()
