"""What a driver knows of its names at this moment, as rows of values; somebody else shows them.

Kept apart from showing it: the only memory here is how fast each command was seen to go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from starcluster import names
from starcluster.cluster.costs import TariffOf, reckon
from starcluster.cluster.namerecord import OutcomeState, Spent
from starcluster.cluster.record import READY
from starcluster.model import Instance, InstanceState
from starcluster.supervisor.case import Case
from starcluster.supervisor.look import Look, NameLook, NodePhase, Report, RunReport, RunState, Silent, Unreachable
from starcluster.supervisor.wishes import Wish

_REMEMBERED = 60  # progress seen; the rate is that between the oldest and the newest of them


class Tone(StrEnum):
    """How a state is to be taken."""

    GOOD = "good"
    BUSY = "busy"
    BAD = "bad"
    OVER = "over"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One name. `left`: seconds, by the rate so far; `taken_at`: when EC2 takes the machine (seconds since 1970)."""

    name: str
    doing: str
    tone: Tone = Tone.BUSY
    instance: Instance | None = None
    attempt: int = 0
    step: int | None = None
    total: int | None = None
    left: float | None = None
    taken_at: float = 0
    spent: Spent = field(default_factory=Spent)


@dataclass
class Pace:
    """How fast one attempt goes on, as far as it was watched."""

    attempt: int = 0
    seen: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def note(self, run: RunReport, at: float) -> None:
        """A step that was seen at this moment; another attempt, or a step back, begins anew."""
        if run.step is None:
            return
        if run.attempt != self.attempt or (self.seen and run.step < self.seen[-1][1]):
            self.attempt = run.attempt
            self.seen.clear()
        if not self.seen or run.step != self.seen[-1][1]:
            self.seen.append((at, run.step))

    def left(self, total: int | None, at: float) -> float | None:
        """Seconds until `total`; None while there is no rate to tell it by."""
        if not total or len(self.seen) < 2:
            return None
        (first, low), (last, high) = self.seen[0], self.seen[-1]
        if last <= first:
            return None
        return max(0.0, (total - high) * (last - first) / (high - low) - (at - last))


class Board:
    """The rows of all names, in the order in which they were first seen."""

    def __init__(self, tariff_of: TariffOf) -> None:
        self._tariff_of = tariff_of
        self._rows: dict[str, Row] = {}
        self._costs: dict[str, NameLook] = {}
        self._paces: dict[str, Pace] = {}

    def wait_for(self, wishes: Iterable[Wish]) -> None:
        """Names of which nothing is known yet."""
        for wish in wishes:
            self._rows.setdefault(wish.name, Row(name=wish.name, doing="is looked for"))

    def see(self, wishes: Iterable[Wish], look: Look, now: datetime) -> None:
        """A new look."""
        for wish in wishes:
            known = look.names.get(names.fold(wish.name))
            if known is None:
                continue
            self._costs[wish.name] = known
            row = row_of(wish, known, look)
            if isinstance(known.answer, Report) and known.answer.run:
                self._paces.setdefault(wish.name, Pace()).note(known.answer.run, now.timestamp())
            if row.step is None:  # a command that begins again is not at nothing: its last word stands
                before = self._rows.get(wish.name, row)
                row = replace(row, step=before.step, total=before.total)
            self._rows[wish.name] = row

    def end(self, name: str, doing: str, *, well: bool) -> None:
        """This driver is done with the name."""
        row = self._rows[name]
        self._rows[name] = replace(row, doing=doing, tone=Tone.OVER if well else Tone.BAD, taken_at=0)

    def rows(self, now: datetime) -> list[Row]:
        return [self._row_now(row, now) for row in self._rows.values()]

    def _row_now(self, row: Row, now: datetime) -> Row:
        """The parts of a row that change with the time."""
        known, pace = self._costs.get(row.name), self._paces.get(row.name)
        left = pace.left(row.total, now.timestamp()) if pace and row.tone is Tone.GOOD else None
        record = known.record if known else None
        spent = reckon(record, known.instances, self._tariff_of, now) if known and record else Spent()
        return replace(row, left=left, spent=spent)


def row_of(wish: Wish, known: NameLook, look: Look) -> Row:
    """One name by one look."""
    case = Case(wish, known, look)
    doing, tone = _doing(case)
    report = case.report
    run = report.run if report and known.begun else None
    if run is not None and run.attempt <= case.record.attempt.floor:
        run = None  # of a job that was over before
    return Row(
        name=wish.name,
        doing=doing,
        tone=tone,
        instance=case.current,
        attempt=case.record.attempt.number,
        step=run.step if run else None,
        total=run.total if run else None,
        taken_at=report.notice_time if report and report.notice and case.current else 0,
    )


def _doing(case: Case) -> tuple[str, Tone]:
    outcome = case.record.outcome
    if case.known.holder:
        return "is watched by another driver", Tone.OVER
    if outcome is not None and case.known.begun:
        return (ENDED_WELL, Tone.OVER) if outcome.state is OutcomeState.FINISHED else (ENDED_BADLY, Tone.BAD)
    if case.current is None:
        return _without_machine(case.known), Tone.BUSY
    return _with_machine(case, case.current)


ENDED_WELL = "has finished"
ENDED_BADLY = "gave up"


def _without_machine(known: NameLook) -> str:
    if known.pause > 0:
        return "waits before it asks again"
    asking = known.record is not None and known.record.intent is not None and not known.record.born
    return f"asks for a machine ({known.asking_for:.0f} s)" if asking else "gets a machine"


def _with_machine(case: Case, here: Instance) -> tuple[str, Tone]:
    if here.state is InstanceState.PENDING:
        return "boots", Tone.BUSY
    if here.state is not InstanceState.RUNNING:
        return f"is {here.state}", Tone.BAD
    if case.known.busy or not here.tags.get(READY):
        return "is being set up", Tone.BUSY
    answer = case.known.answer
    if isinstance(answer, Silent | Unreachable):
        return "is not heard", Tone.BAD
    if case.report is None:
        return "has no agent yet", Tone.BUSY
    return _reported(case, case.report)


def _reported(case: Case, report: Report) -> tuple[str, Tone]:
    if report.phase is NodePhase.DRAINED:
        return "has saved its work", Tone.BAD
    if report.phase is NodePhase.DRAINING or report.notice:
        return "saves its work", Tone.BAD
    if case.is_taken:
        return "is taken by EC2", Tone.BAD
    if report.home.is_lost:
        return "has lost /home", Tone.BAD
    if report.run is None or report.run.attempt < case.record.attempt.number:
        return "is ready", Tone.BUSY
    return _run_words(report.run)


def _run_words(run: RunReport) -> tuple[str, Tone]:
    if run.state is not RunState.RUNNING:
        return ("has ended", Tone.GOOD) if run.exit == 0 else ("failed, and is tried again", Tone.BAD)
    if run.lingering:
        return "has ended, but for some processes", Tone.BUSY
    return ("runs its setup", Tone.BUSY) if run.stage == "setup" else ("works", Tone.GOOD)
