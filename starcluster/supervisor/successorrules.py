"""Rules about the successor: the instance that is made ready while the one at risk works on (rebalance = replace).

Until the old one is drained, or gone, the name is the old one's: the successor runs nothing. The moment of change is
in noderules.py, where without a successor another instance would be asked for.
"""

from __future__ import annotations

from starcluster.cluster.record import PREPARED
from starcluster.model import Instance, InstanceState, Pool
from starcluster.supervisor.actions import Action, Drain, LaunchSuccessor, Prepare, Release, ReplaySuccessor
from starcluster.supervisor.case import Case
from starcluster.supervisor.look import RunReport, RunState
from starcluster.supervisor.noderules import SET_UP_TRIES, wanted_pools
from starcluster.supervisor.runrules import SETUP, run_of_this_job
from starcluster.supervisor.wishes import Rebalance

WATCH = 2.0  # EC2's seconds between two looks at a successor


def _working(case: Case) -> RunReport | None:
    """The attempt that works on the current instance, which EC2 does not take yet."""
    run = run_of_this_job(case)
    if run is None or run.state is not RunState.RUNNING or run.stage == SETUP or run.lingering or case.is_taken:
        return None
    return run


def has_successor(case: Case) -> Action | None:
    """One step towards the change, while the old instance works."""
    run, here = _working(case), case.current
    if run is None or here is None or not case.has_successor:
        return None
    heir = case.successor_instance
    if heir is None and case.successor is not None and not case.successor.born:
        if case.known.successor_pause > 0:
            return None
        return ReplaySuccessor(name=case.wish.name, because="the answer to its replacement's launch is not known")
    if heir is None or heir.state is InstanceState.PENDING:
        return case.wait(f"attempt {run.attempt} works on {here.id} while its replacement boots", WATCH)
    if heir.state is not InstanceState.RUNNING or case.takes(heir):
        return None
    if heir.tags.get(PREPARED):
        return Drain(name=case.wish.name, because=f"its replacement {heir.id} is ready", instance_id=here.id)
    return _prepare(case, run, here, heir)


def _prepare(case: Case, run: RunReport, here: Instance, heir: Instance) -> Action | None:
    if case.known.successor_busy:
        return case.wait(f"attempt {run.attempt} works on {here.id} while {heir.id} is made ready", WATCH)
    if case.known.successor_failures >= SET_UP_TRIES:
        because = f"the replacement {heir.id} could not be made ready; {here.id} works on"
        return Release(name=case.wish.name, because=because, instance_id=heir.id)
    if case.known.successor_pause > 0:
        return None
    # a plugin may mount the volume that the old node holds: then all plugins come after the change
    return Prepare(
        name=case.wish.name,
        because=f"{heir.id} runs and is to replace {here.id}",
        instance_id=heir.id,
        plugins=not here.data_devices,
    )


def is_at_risk(case: Case) -> Action | None:
    """EC2's hint: a replacement is asked for; where there is none to be had, the instance at risk works on."""
    run, here, report = _working(case), case.current, case.report
    if run is None or here is None or report is None or not report.rebalance or case.has_successor:
        return None
    if case.wish.rebalance is not Rebalance.REPLACE or case.known.replaced_lately or case.known.successor_pause > 0:
        return None
    pool = _pool_for(case, here)
    if pool is None:
        return None
    refused = case.successor if case.successor is not None and case.successor.intent is None else None
    return LaunchSuccessor(
        name=case.wish.name,
        because=f"EC2 says that {here.id} is at a higher risk (rebalance = replace)",
        pool=pool,
        generation=refused.generation if refused else case.record.highest + 1,
        try_number=refused.try_number + 1 if refused else 1,
        max_price=case.wish.bid_in(pool),
    )


def _pool_for(case: Case, here: Instance) -> Pool | None:
    """The best of the wished-for pools; that of the instance at risk comes last, for the others in it are as well."""
    own = (here.instance_type, here.zone)
    free = [pool for pool in wanted_pools(case) if pool not in case.look.avoid]
    if here.data_devices:  # its volumes are in its zone
        free = [pool for pool in free if pool.zone == here.zone]
    return min(free, key=lambda pool: (pool.instance_type, pool.zone) == own, default=None)


def left_over(case: Case) -> Action | None:
    """The name is done with, or the user's to look at: nobody waits for a successor any more.

    Where it can not be ended either (a pause tells) the user is told of the first trouble, not kept waiting.
    """
    heir = case.successor_instance
    if heir is None or not heir.state.is_alive or case.known.pause > 0:
        return None
    return Release(name=case.wish.name, because=f"the replacement {heir.id} is not needed", instance_id=heir.id)
