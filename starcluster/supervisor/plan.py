"""What to do next, decided from values alone.

`plan` asks the rules below in their order, name by name; the first that has an answer decides. One act a name
and round: what it brought about is seen by the next look. Nothing here knows a clock, a cloud or a disk.
"""

from __future__ import annotations

from collections.abc import Iterable

from starcluster import names
from starcluster.supervisor.actions import (
    Action,
    Begin,
    Finish,
    Hold,
    StandBack,
)
from starcluster.supervisor.case import SOON, Case, Rule
from starcluster.supervisor.driverules import is_unkept, is_unsaved
from starcluster.supervisor.homerules import has_lost_home
from starcluster.supervisor.look import (
    ClusterState,
    Look,
    NameLook,
)
from starcluster.supervisor.noderules import (
    has_no_instance,
    has_open_request,
    is_doubled,
    is_drained_and_dying,
    is_ending,
    is_not_set_up,
    is_pending,
    is_stopped,
    is_unknown_to_record,
)
from starcluster.supervisor.runrules import (
    has_drained,
    has_failed,
    has_finished,
    has_no_agent,
    is_draining,
    is_idle,
    is_over,
    is_rebooted,
    is_silent,
    is_working,
)
from starcluster.supervisor.successorrules import has_successor, is_at_risk, left_over
from starcluster.supervisor.wishes import Wish


def plan(wishes: Iterable[Wish], look: Look) -> list[Action]:
    """One action for every wish, in the order of their names."""
    return [decide(wish, look) for wish in sorted(wishes, key=lambda one: names.fold(one.name))]


def decide(wish: Wish, look: Look) -> Action:
    """The first rule that has an answer; between them they have one for everything."""
    case = Case(wish, look.names.get(names.fold(wish.name), NameLook()), look)
    answers = (rule(case) for rule in RULES)
    action = next(action for action in answers if action is not None)
    return (left_over(case) or action) if isinstance(action, Hold | Finish) else action


def is_beside(case: Case) -> Action | None:
    if not case.known.holder:
        return None
    return StandBack(
        name=case.wish.name, because=f"{case.known.holder} supervises it; this driver waits", seconds=SOON * 2
    )


def is_lost_with_cluster(case: Case) -> Action | None:
    if case.look.cluster is ClusterState.GONE:
        return Hold(
            name=case.wish.name,
            because=f"there is no cluster {case.wish.cluster}",
            hint=f"starcluster start {case.wish.cluster}",
        )
    return None


def is_not_begun(case: Case) -> Action | None:
    if case.known.begun:
        return None
    return Begin(name=case.wish.name, because=f"wished for in the cluster {case.wish.cluster}")


def has_complaint(case: Case) -> Action | None:
    """EC2 or a node said something that only the user can put right."""
    if not case.known.complaint or case.record.outcome:
        return None
    summary, _, hint = case.known.complaint.partition("\n")
    look_at_it = (
        f"look at the node (starcluster sshnode {case.wish.cluster} {case.wish.name}), "
        f"then ask again: starcluster train {case.wish.name}"
    )
    return Hold(name=case.wish.name, because=summary, hint=hint or look_at_it)


def is_without_master(case: Case) -> Action | None:
    if case.look.cluster is ClusterState.UP:
        return None
    return case.wait("the cluster's master does not run; nothing is started or ended until it is back", 15)


def is_busy(case: Case) -> Action | None:
    """A set-up runs beside this loop; it ends by itself, also when the node is taken meanwhile."""
    return case.wait(case.known.busy) if case.known.busy else None


def is_pausing(case: Case) -> Action | None:
    if case.known.pause <= 0:
        return None
    return case.wait(case.known.pause_because or "waits before the next try", case.known.pause)


RULES: tuple[Rule, ...] = (
    is_beside,  # who does not supervise does nothing
    is_lost_with_cluster,
    is_not_begun,  # the record must be there before anything is done by it
    is_over,  # an outcome stands above all that is seen of machines
    has_complaint,
    is_without_master,  # a dead master is told and kills nothing
    is_busy,
    is_doubled,
    is_unknown_to_record,  # before any launch: what is there is used
    has_finished,  # a command that is done is done, whatever becomes of its node
    has_drained,
    has_open_request,
    is_pausing,
    is_drained_and_dying,  # the replacement is asked for while the old node still lives
    has_no_instance,
    is_ending,
    is_stopped,
    is_unsaved,  # while the replacement boots
    is_pending,
    is_not_set_up,
    has_no_agent,
    is_silent,
    is_rebooted,
    is_draining,
    has_lost_home,  # nothing is started where it is missing
    has_successor,
    is_at_risk,
    is_unkept,
    is_working,
    has_failed,
    is_idle,
)
