"""EC2, or a node, fails at a call of the main job: the job is done all the same, by one instance at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from starcluster.localcloud.scenario.play import Play, RealWorld, Told
from starcluster.localcloud.scenario.script import read
from tests.rehearsal.crash.job import AGENT, Arena, JobCall, interrupted
from tests.rehearsal.crash.points import at_points, spread

JOBS = 2  # of the short form: all kinds of fault, dealt out to so many jobs
LONG_JOBS = 12  # of each turn of the long form, so that the troubles of one job are so many calls apart
# {call} is what fails. 6 times in a row is more than a client tries by itself.
KINDS = (
    "fault {call} RequestLimitExceeded times=6",
    "fault {call} InternalError times=6",
    "fault {call} Unavailable times=6",
    "fault {call} ConnectionReset times=6",
    "fault {call} InternalError when=after",
    "fault {call} ConnectionReset when=after",
    "fault {call} CutAnswer when=after",
    "lag 60",
)
ORDER_KINDS = (
    "fail {call} times=3",
    "fail {call} times=3 reset=yes",
    "fail {call} when=after",
    "fail {call} when=after reset=yes",
)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    call: JobCall
    what: str

    def __str__(self) -> str:
        return f"{self.what} at {self.call}"

    @property
    def line(self) -> str:
        """A fault strikes a call that comes, so it is ordered while the one before it is held."""
        word, when, given = "call", self.call.action, self.call.action
        if self.call.agent:
            order = f'\'"op": "{self.call.action}"\''
            word, when, given = "command", f"'{AGENT}' given {order}", f"'{AGENT}' given={order}"
        what = self.what.format(call=given)
        return f"before {word} {self.call.nth - 1} of {when}: {what}" if self.call.nth > 1 else f"at 0: {what}"


@dataclass(frozen=True)
class Troubles:
    """Those of one job."""

    each: tuple[Trouble, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, self.each))


@contextmanager
def ordered(arena: Arena, lines: list[str]) -> Iterator[list[Told]]:
    """The lines are carried out meanwhile; what of them was."""
    play, done = Play(read("\n".join(lines)), RealWorld(arena.cloud)), list[Told]()
    thread = threading.Thread(target=lambda: done.extend(play.run()), daemon=True)
    thread.start()
    try:
        yield done
    finally:
        play.steps_left.clear()
        thread.join(10)


def job_with(arena: Arena, troubles: Troubles) -> str:
    name = arena.fresh()
    with interrupted(arena), ordered(arena, [one.line for one in troubles.each]) as done:
        driver = arena.drive(name)
        driver.ends(0)
    arena.control("clear")
    try:
        arena.check()
    except AssertionError as error:
        raise AssertionError(f"{error}\n{driver.text}") from error
    assert all(not one.error for one in done), done
    return f"got over {len(done)} of {len(troubles.each)}"


def every_kind(calls: list[JobCall], kinds: tuple[str, ...] = KINDS, turn: int = 0) -> list[Trouble]:
    """Each call with one kind, each kind at many calls; after as many turns as kinds every kind is at every call."""
    return [Trouble(call=call, what=kinds[(place + turn) % len(kinds)]) for place, call in enumerate(calls)]


def dealt(troubles: list[Trouble], jobs: int) -> list[Troubles]:
    return [Troubles(tuple(troubles[turn::jobs])) for turn in range(jobs)]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_faults_at_some_calls(arena: Arena, record: list[JobCall]) -> None:
    changing = [call for call in record if not call.agent and not call.action.startswith("Describe")]
    troubles = every_kind(spread(changing, len(KINDS)))
    assert {one.what for one in troubles} == set(KINDS)
    assert list(at_points(arena, dealt(troubles, JOBS), lambda job: job_with(arena, job))) == []


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("turn", range(len(KINDS)))
def test_a_fault_at_every_call(arena: Arena, record: list[JobCall], turn: int) -> None:
    troubles = every_kind([call for call in record if not call.agent], KINDS, turn)
    assert list(at_points(arena, dealt(troubles, LONG_JOBS), lambda job: job_with(arena, job))) == []


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("turn", range(len(ORDER_KINDS)))
def test_a_fault_at_every_order(arena: Arena, record: list[JobCall], turn: int) -> None:
    """Orders to agents that fail, that are cut off, and that are carried out without an answer."""
    troubles = every_kind([call for call in record if call.agent], ORDER_KINDS, turn)
    assert list(at_points(arena, dealt(troubles, LONG_JOBS), lambda job: job_with(arena, job))) == []
