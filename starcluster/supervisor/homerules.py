"""Rules about the shared home: a node whose NFS mount of it errs or hangs, because its master was rebooted, say."""

from __future__ import annotations

from starcluster.supervisor.actions import Action, Release, SetUp
from starcluster.supervisor.case import Case
from starcluster.supervisor.look import HomeState

# all in EC2's seconds
HOME_TRIES = 6
HOME_LIMIT = 900.0  # a node that has no /home for so long, though the master answers, is replaced
HANG_LIMIT = 600.0  # NFS waits for its server and goes on by itself; nobody interferes before that


def has_lost_home(case: Case) -> Action | None:
    """Nothing is started there until /home is back; a command that still runs goes on with it."""
    here, report = case.current, case.report
    if here is None or report is None or not report.home.is_lost:
        return None
    lost = f"{here.id} has lost /home ({report.home.why})"
    if case.is_taken:
        return case.wait(f"{lost}, and EC2 takes it")
    if not case.look.master_heard:
        return case.wait(f"{lost}; the master does not answer, /home comes back with it")
    if report.home.state is HomeState.HANGS and case.known.home_lost_for < HANG_LIMIT:
        return case.wait(f"{lost}; NFS goes on by itself when the master's server does", 15)
    if case.known.set_up_failures >= HOME_TRIES and case.known.home_lost_for >= HOME_LIMIT:
        why = f"it can not be mounted again: {case.known.set_up_error or 'no reason given'}"
        return Release(name=case.wish.name, because=f"{lost}, and {why}", instance_id=here.id, unusable=True)
    return SetUp(name=case.wish.name, because=lost, instance_id=here.id, whole=True)
