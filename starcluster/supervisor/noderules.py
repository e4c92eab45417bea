"""Rules about the instance that has the name: is there one, is it the right one, is it usable."""

from __future__ import annotations

from starcluster.cluster.record import READY
from starcluster.model import Instance, InstanceState, Pool, SpotState, Verdict
from starcluster.supervisor.actions import (
    Action,
    Adopt,
    CancelRequests,
    Hold,
    Launch,
    Release,
    Replay,
    SetUp,
    Start,
    Succeed,
    Wait,
)
from starcluster.supervisor.case import LAG_LIMIT, Case
from starcluster.supervisor.driverules import is_unsaved
from starcluster.supervisor.look import NameLook
from starcluster.supervisor.placing import place_drives

# all in EC2's seconds
OPEN_LIMIT = 600.0  # a spot request that stays open so long is taken back
DRY_LIMIT = 60.0  # one whose pool is empty is taken back sooner: there are other pools
FULFILLED = "fulfilled"  # the code of a spot request whose instance EC2 does not mean to take
SPARED_LIMIT = 60.0  # such a node, drained by us, is released after this time
OVERDUE_LIMIT = 300.0  # a drained node that EC2 does not take is released after its time
UNREADY_LIMIT = 900.0  # an instance that was never usable is replaced
SHUT_LIMIT = 1200.0  # also one that was tried seldom, since each try waited long for its SSH
SET_UP_TRIES = 6
SHUT_TRIES = 2  # a set-up that works for long may fail once, of something that passes
UNUSABLE_TRIES = 2  # so many instances in a row are ended as useless; the next one is left to be looked at
BY_USER = "Client.UserInitiatedShutdown"
# a spot request tells for days how its instance ended, the instance itself for about an hour
REQUEST_BY_USER = ("instance-terminated-by-user", "spot-instance-terminated-by-user")


def is_doubled(case: Case) -> Action | None:
    """Another instance of the same name, beside the one that has it."""
    for other in case.others:
        generation = case.generation(other)
        if 0 < generation < case.record.generation and generation <= case.record.drained:
            late = _overdue(case, other)
            if late is not None:
                return late
            continue
        if case.current is None or (generation > case.record.generation and case.known.stray_for < LAG_LIMIT):
            continue  # a record that is read late does not know of the newest instance
        if other.id in case.record.released or not other.tags.get(READY):
            if other.state is InstanceState.RUNNING and generation:
                return Release(
                    name=case.wish.name,
                    because=f"{other.id} is a second instance of the name",
                    instance_id=other.id,
                )
            continue
        return Hold(
            name=case.wish.name,
            because=f"there are two nodes of that name: {case.current.id} and {other.id}",
            hint=f"look at both, then: starcluster removenode {case.wish.cluster} <the id of one>",
        )
    return None


def _overdue(case: Case, other: Instance) -> Action | None:
    """A drained node lives on: EC2 takes it in its time; when it does not, it must not cost more."""
    kept = any(one.instance_id == other.id and one.code == FULFILLED for one in case.known.requests)
    if case.known.overdue_for < (SPARED_LIMIT if kept else OVERDUE_LIMIT) or other.state is not InstanceState.RUNNING:
        return None
    return Release(name=case.wish.name, because=f"EC2 did not take {other.id}, which is drained", instance_id=other.id)


def is_unknown_to_record(case: Case) -> Action | None:
    """The name's node is there and the record does not say so (a launch whose answer was lost, addnode)."""
    here = case.current
    if here is not None:
        if here.id == case.record.born:
            return None
        return Adopt(
            name=case.wish.name,
            because=f"{here.id} is the instance that was asked for",
            instance_id=here.id,
            generation=case.record.generation,
        )
    if case.record.intent is not None and not case.record.born:
        return None  # the launch that we asked for may still show up
    if case.record.born and not case.of_now and case.known.intent_age < LAG_LIMIT:
        return None  # the reads are behind; what they show of its predecessor may be just as old
    undrained = [
        one
        for one in case.others
        if one.id not in case.record.released
        and (case.generation(one) > case.record.drained or not case.generation(one))
    ]
    if not undrained or not all(one.state.is_gone for one in case.of_now):
        return None
    best = undrained[0]
    return Adopt(
        name=case.wish.name,
        because=f"{best.id} has the name already",
        instance_id=best.id,
        generation=max(case.generation(best), case.record.generation + 1),
    )


def has_open_request(case: Case) -> Action | None:
    if case.current is not None:
        return None
    requests = [one for one in case.known.requests if one.state is SpotState.OPEN]
    if not requests:
        return None
    codes = ", ".join(sorted({one.code for one in requests}))
    told = next((one for one in requests if one.verdict is Verdict.TELL_USER), None)
    dry = any(one.verdict is Verdict.ELSEWHERE for one in requests)
    limit = 0.0 if told else DRY_LIMIT if dry else OPEN_LIMIT
    if case.known.asking_for < limit:
        return case.wait(f"its spot request is open ({codes})")
    return CancelRequests(
        name=case.wish.name,
        because=f"its spot request stays open ({codes})",
        request_ids=tuple(sorted(one.id for one in requests)),
        code=told.code if told else "",
        message=told.message if told else "",
    )


def has_no_instance(case: Case) -> Action | None:
    record = case.record
    if case.current is not None:
        return None
    if record.generation == 0:
        return _launch(case, generation=1, try_number=1, because="it has no instance yet")
    corpse = next((one for one in case.of_now if one.state.is_gone), None)
    if corpse is not None and (record.born or not record.intent or corpse.client_token == record.intent.token):
        return _after_death(case, corpse.id, corpse.reason_code or corpse.transition_reason or "no reason given")
    if record.born:
        if case.known.intent_age < LAG_LIMIT:
            return case.wait(f"EC2 does not show {record.born} yet")
        if case.known.unexplained and record.born not in record.released and not case.is_drained:
            return _unexplained(case)
        return _after_death(case, record.born, "EC2 shows it no more")
    if record.intent is not None:
        return Replay(name=case.wish.name, because="the answer to its launch is not known")
    return _launch(
        case, generation=record.generation, try_number=record.try_number + 1, because="the last try brought nothing"
    )


def _unexplained(case: Case) -> Action:
    """On-demand instances do not go by themselves, but a person may have ended it while nobody looked."""
    return Hold(
        name=case.wish.name,
        because=f"its on-demand instance {case.record.born} is gone, and EC2 tells no more whether a person ended it; "
        "it is not started again by itself",
        hint=f"to go on, ask again: starcluster train {case.wish.name}",
    )


def _after_death(case: Case, instance_id: str, why: str) -> Action:
    by_person = instance_id in ended_by_user(case.known) and instance_id not in case.record.released
    if by_person and not case.is_drained:
        return Hold(
            name=case.wish.name,
            because=f"its instance {instance_id} was terminated by a person; it is not started again by itself",
            hint=f"to go on, ask again: starcluster train {case.wish.name}",
        )
    return _launch_next(case, f"{instance_id} is gone ({why})")


def ended_by_user(known: NameLook) -> list[str]:
    """The instances that EC2 says a call ended or stopped: ours, or a person's.

    A spot request's word counts where the instance is not shown any more: what the instance tells itself is closer.
    """
    shown = [one.id for one in known.instances if one.reason_code == BY_USER and not one.state.is_alive]
    told = [one.instance_id for one in known.requests if one.code in REQUEST_BY_USER]
    born = known.record.born if known.record else ""
    tells_itself = {one.id for one in known.instances if one.reason_code}
    return [*shown, *(one for one in told if one == born and one not in tells_itself)]


def _launch_next(case: Case, because: str) -> Action:
    """The successor that was asked for takes the name; without one another instance is asked for."""
    if case.successor is not None and case.has_successor:
        return Succeed(name=case.wish.name, because=because, generation=case.successor.generation)
    return _launch(case, generation=case.record.highest + 1, try_number=1, because=because)


def _launch(case: Case, *, generation: int, try_number: int, because: str) -> Action:
    pools = wanted_pools(case)
    if not pools:
        return case.wait("it is not known yet in which zone the cluster is")
    if case.wish.drives:
        placed = place_drives(case, pools, generation=generation, try_number=try_number, because=because)
        return (is_unsaved(case) or placed) if isinstance(placed, Wait) else placed
    free = [pool for pool in pools if pool not in case.look.avoid]
    if not free:
        rest = min(case.look.avoid[pool] for pool in pools)
        places = ", ".join(f"{pool.instance_type} in {pool.zone} ({pool.market})" for pool in pools)
        return case.wait(f"EC2 has no capacity, or none at your price, for {places}; it is asked again", max(rest, 1))
    best = free[0]
    if best.market is not case.wish.market:
        because = f"no spot machine for {case.wish.spot_max_wait:g} s, so the full price is paid (fallback)"
    return Launch(
        name=case.wish.name,
        because=because,
        pool=best,
        generation=generation,
        try_number=try_number,
        max_price=case.wish.bid_in(best),
    )


def wanted_pools(case: Case) -> list[Pool]:
    """Where the name's instance may live, best first."""
    return case.wish.pools(case.look.zones, waited=case.known.asking_for)


def is_drained_and_dying(case: Case) -> Action | None:
    """The one case in which two generations may live: nothing runs on the old one, and that is recorded."""
    if case.current is None or not case.is_drained:
        return None
    return _launch_next(case, f"{case.current.id} is drained")


def is_ending(case: Case) -> Action | None:
    here = case.current
    if here is None or here.state.is_alive or here.state is InstanceState.STOPPED:
        return None
    if here.state is InstanceState.STOPPING:
        return case.wait(f"{here.id} is stopping")
    return case.wait(f"{here.id} is shutting down ({here.reason_code or 'no reason given'})")


def is_stopped(case: Case) -> Action | None:
    here = case.current
    if here is None or here.state is not InstanceState.STOPPED:
        return None
    if here.reason_code == BY_USER and here.id not in case.record.released:
        return Hold(
            name=case.wish.name,
            because=f"{here.id} was stopped by a person; it is not started by itself",
            hint=f"starcluster start -x {case.wish.cluster}, or starcluster removenode "
            f"{case.wish.cluster} {case.wish.name}",
        )
    return Start(name=case.wish.name, because=f"{here.id} is stopped", instance_id=here.id)


def is_pending(case: Case) -> Action | None:
    if case.current is None or case.current.state is not InstanceState.PENDING:
        return None
    return case.wait(f"{case.current.id} is booting", 2)


def _is_hopeless(case: Case) -> bool:
    """Its set-up failed again and again, or it has not let us in for long."""
    failures, passed = case.known.set_up_failures, case.known.unready_for
    often = failures >= SET_UP_TRIES and passed >= UNREADY_LIMIT
    return often or (failures >= SHUT_TRIES and passed >= SHUT_LIMIT)


def _after_hopeless(case: Case, here: Instance) -> Action:
    """Another instance; where some in a row were of no use it is not the machine, and the user is to look."""
    why = f": {case.known.set_up_error}" if case.known.set_up_error else ""
    if case.known.unusable >= UNUSABLE_TRIES:
        return Hold(
            name=case.wish.name,
            because=f"{case.known.unusable + 1} instances in a row could not be set up, the last is {here.id}{why}",
            hint=f"it still runs and costs: look at it (starcluster showconsole {here.id}), then end it: "
            f"starcluster removenode {case.wish.cluster} {case.wish.name}",
        )
    because = f"{here.id} never became usable{why}"
    return Release(name=case.wish.name, because=because, instance_id=here.id, unusable=True)


def is_not_set_up(case: Case) -> Action | None:
    here = case.current
    if here is None or here.tags.get(READY):
        return None
    if case.is_taken:
        return case.wait(f"EC2 takes {here.id} before it was set up")
    if _is_hopeless(case):
        return _after_hopeless(case, here)
    return SetUp(name=case.wish.name, because=f"{here.id} runs and is not set up", instance_id=here.id, whole=True)
