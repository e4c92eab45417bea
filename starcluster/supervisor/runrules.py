"""Rules about the command: what the agent says of it, whether it is over, whether it is started again."""

from __future__ import annotations

from starcluster.cluster.namerecord import Outcome, OutcomeState
from starcluster.cluster.record import READY
from starcluster.model import InstanceState
from starcluster.supervisor.actions import (
    Action,
    Finish,
    Hold,
    RecordDrained,
    RecordOutcome,
    Release,
    Run,
    SetUp,
    Stop,
)
from starcluster.supervisor.case import Case
from starcluster.supervisor.driverules import is_leaving, is_unsaved
from starcluster.supervisor.look import (
    Absent,
    NodePhase,
    RunReport,
    RunState,
    Silent,
    Unreachable,
)
from starcluster.supervisor.wishes import After

# all in EC2's seconds
AGENT_TRIES = 6
FIRST_PAUSE = 10.0
LONGEST_PAUSE = 600.0
LONG_RUN = 3600.0  # (wall) an attempt that held so long is not one of a row of failures
NO_SUCH_COMMAND = (126, 127)
SETUP = "setup"


def is_over(case: Case) -> Action | None:
    outcome = case.record.outcome
    if outcome is None:
        return None
    succeeded = outcome.state is OutcomeState.FINISHED
    after = case.wish.on_success if succeeded else case.wish.on_failure
    left = [one for one in case.instances if one.state.is_in_cluster]
    if after is After.STOP:
        left = [one for one in left if one.state in (InstanceState.RUNNING, InstanceState.PENDING)]
    if left and after is not After.KEEP:
        act = Stop if after is After.STOP else Release
        return act(name=case.wish.name, because=f"the command has {outcome.state}", instance_id=left[0].id)
    unsaved = is_unsaved(case) or is_leaving(case)
    return unsaved or Finish(name=case.wish.name, because=_ended(outcome, succeeded), succeeded=succeeded)


def _ended(outcome: Outcome, succeeded: bool) -> str:
    when = f"{outcome.at:%Y-%m-%d %H:%M:%S} UTC"
    return f"finished at {when}" if succeeded else f"gave up at {when}: the command {_exit_words(outcome.exit)}"


def _exit_words(status: int | None) -> str:
    if status is None:
        return "was killed"
    return f"was ended by signal {-status}" if status < 0 else f"ended with exit status {status}"


def has_no_agent(case: Case) -> Action | None:
    here, answer = case.current, case.known.answer
    if here is None or not isinstance(answer, Absent):
        return None
    if case.is_taken:
        return case.wait(f"EC2 takes {here.id}")
    if case.known.set_up_failures >= AGENT_TRIES:
        return Hold(
            name=case.wish.name,
            because=f"the agent can not be started on {here.id}: {case.known.set_up_error or answer.why}",
            hint=f"it needs Python 3.8 or newer and room on its disks; it still runs and costs: look at it "
            f"(starcluster sshnode {case.wish.cluster} {case.wish.name}), or end it (removenode)",
        )
    return SetUp(name=case.wish.name, because=f"no agent runs on {here.id}", instance_id=here.id, whole=False)


def is_silent(case: Case) -> Action | None:
    """Silence is no death: what EC2 calls running is not torn down."""
    answer, here = case.known.answer, case.current
    if here is None or case.report is not None:
        return None
    if case.is_taken:
        return case.wait(f"EC2 takes {here.id}, which says nothing")
    if case.known.silent_too_long:
        return Release(
            name=case.wish.name,
            because=f"{here.id} has been heard neither by SSH nor over the master for {case.known.silent_for:.0f} s "
            f"(silent_limit), though EC2 says it runs",
            instance_id=here.id,
        )
    if isinstance(answer, Silent):
        return case.wait(f"{here.id} has said nothing for a while; EC2 says it runs, so nothing is done", 15)
    if isinstance(answer, Unreachable):
        return case.wait(f"{here.id} can not be reached ({answer.why}); EC2 says it runs, so nothing is done", 15)
    return case.wait(f"{here.id} has not been heard yet")


def is_rebooted(case: Case) -> Action | None:
    here, report = case.current, case.report
    if here is None or report is None or report.boot_id == here.tags.get(READY):
        return None
    return SetUp(name=case.wish.name, because=f"{here.id} has booted anew", instance_id=here.id, whole=True)


def run_of_this_job(case: Case) -> RunReport | None:
    """The last attempt on this instance, unless it belongs to a job that was over before."""
    run = case.report.run if case.report else None
    return run if run is not None and run.attempt > case.record.attempt.floor else None


def has_finished(case: Case) -> Action | None:
    run = run_of_this_job(case)
    if run is None or run.state is not RunState.EXITED or run.exit != 0 or run.interrupted or run.stage == SETUP:
        return None
    return RecordOutcome(
        name=case.wish.name,
        because="the command has finished",
        finished=True,
        exit=0,
        attempt=run.attempt,
    )


def has_drained(case: Case) -> Action | None:
    report = case.report
    if report is None or report.phase is not NodePhase.DRAINED or case.is_drained:
        return None
    return RecordDrained(
        name=case.wish.name,
        because=f"nothing runs on {report.instance_id} any more",
        generation=case.record.generation,
    )


def is_draining(case: Case) -> Action | None:
    report = case.report
    if report is None or not (report.phase is NodePhase.DRAINING or report.notice):
        return None
    return case.wait(f"EC2 takes {report.instance_id}; the command is asked to save its work", 2)


def is_working(case: Case) -> Action | None:
    run = run_of_this_job(case)
    if run is None or run.state is not RunState.RUNNING:
        return None
    if run.lingering:
        return case.wait(f"the command has ended, {run.lingering} of its processes go on", case.wish.check_interval)
    where = case.current.id if case.current else "?"
    if run.stage == SETUP:
        return case.wait(f"the setup command of attempt {run.attempt} runs on {where}", case.wish.check_interval)
    return case.wait(f"attempt {run.attempt} runs on {where}", case.wish.check_interval)


def has_failed(case: Case) -> Action | None:
    run = run_of_this_job(case)
    if run is None or run.state is RunState.RUNNING or run.interrupted:
        return None
    if run.attempt < case.record.attempt.number:
        return None
    rebooted = bool(case.report and run.boot_id != case.report.boot_id)
    if rebooted or (run.state is RunState.EXITED and run.exit == 0):
        return None
    what = "setup command on this node" if run.stage == SETUP else "command"
    if run.home_lost is not False:
        return _after_lost_home(case, f"the {what} {_exit_words(run.exit)}", known=run.home_lost is not None)
    failures = 0 if run.ended - run.started >= LONG_RUN else case.record.attempt.failures
    hopeless = run.exit in NO_SUCH_COMMAND
    if hopeless or failures >= case.wish.max_restarts:
        return RecordOutcome(
            name=case.wish.name,
            because=f"the {what} {_exit_words(run.exit)}",
            finished=False,
            exit=run.exit,
            attempt=run.attempt,
        )
    pause = min(FIRST_PAUSE * 2**failures, LONGEST_PAUSE) - case.known.failed_for
    if pause > 0:
        words = f"the {what} {_exit_words(run.exit)}; it is started again after a pause"
        return case.wait(words, pause)
    return _run(case, number=_next_number(case), failures=failures + 1, because=f"the {what} {_exit_words(run.exit)}")


def _after_lost_home(case: Case, ended: str, *, known: bool) -> Action:
    """It failed when it had lost /home: that is no fault of the program's, and does not count."""
    if not known:
        return case.wait(f"{ended}; its node looks whether /home was lost", 2)
    pause = FIRST_PAUSE - case.known.failed_for
    if pause > 0:
        return case.wait(f"{ended}, having lost /home; it is started again after a pause", pause)
    failures = case.record.attempt.failures
    return _run(case, number=_next_number(case), failures=failures, because=f"{ended}, having lost /home")


def is_idle(case: Case) -> Action:
    """Nothing has run here for this job, or what ran was cut off by a reboot (is_silent: there is a report)."""
    report, record = case.report, case.record
    done = report.run.attempt if report and report.run else 0
    pending = record.attempt.generation == record.generation and record.attempt.number > max(done, record.attempt.floor)
    number = record.attempt.number if pending else _next_number(case)
    failures = record.attempt.failures
    going_on = "goes on from the last checkpoint" if case.known.has_saved else "starts"
    because = "the node is ready" if number == 1 else f"the node is ready; attempt {number} {going_on}"
    return _run(case, number=number, failures=failures, because=because)


def _next_number(case: Case) -> int:
    """No number is used twice, also where /home is older than the record."""
    run = case.report.run if case.report else None
    return max(case.record.attempt.number, case.known.last_run, run.attempt if run else 0) + 1


def _run(case: Case, *, number: int, failures: int, because: str) -> Run:
    return Run(
        name=case.wish.name,
        because=because,
        instance_id=case.current.id if case.current else "",
        attempt=number,
        generation=case.record.generation,
        failures=failures,
    )
