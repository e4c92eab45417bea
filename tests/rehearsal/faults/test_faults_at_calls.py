"""EC2 fails at a call of the main job: the job is done all the same, by one instance at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from starcluster.localcloud.scenario.play import Play, RealWorld, Told
from starcluster.localcloud.scenario.script import read
from tests.rehearsal.crash.job import Arena, Call, at_points, interrupted, spread

JOBS = 2  # of the short form: all kinds of fault, dealt out to so many jobs
# {action} is what fails. 6 times in a row is more than a client tries by itself.
KINDS = (
    "fault {action} RequestLimitExceeded times=6",
    "fault {action} InternalError times=6",
    "fault {action} Unavailable times=6",
    "fault {action} ConnectionReset times=6",
    "fault {action} InternalError when=after",
    "fault {action} ConnectionReset when=after",
    "fault {action} CutAnswer when=after",
    "lag 60",
)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    call: Call
    what: str

    def __str__(self) -> str:
        return f"{self.what} at call {self.call.nth} of {self.call.action}"

    @property
    def line(self) -> str:
        """A fault strikes a call that comes, so it is ordered while the one before it is held."""
        what = self.what.format(action=self.call.action)
        return (
            f"before call {self.call.nth - 1} of {self.call.action}: {what}" if self.call.nth > 1 else f"at 0: {what}"
        )


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
        arena.drive(name).ends(0)
    arena.control("clear")
    arena.check()
    assert all(not one.error for one in done), done
    return f"got over {len(done)} of {len(troubles.each)}"


def every_kind(calls: list[Call]) -> list[Trouble]:
    """Each call with one kind, each kind at many calls."""
    return [Trouble(call=call, what=KINDS[place % len(KINDS)]) for place, call in enumerate(calls)]


@pytest.mark.timeout(900)
def test_faults_at_some_calls(arena: Arena, record: list[Call]) -> None:
    troubles = every_kind(spread([call for call in record if not call.action.startswith("Describe")], len(KINDS)))
    assert {one.what for one in troubles} == set(KINDS)
    jobs = [Troubles(tuple(troubles[turn::JOBS])) for turn in range(JOBS)]
    assert list(at_points(jobs, lambda job: job_with(arena, job))) == []


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("turn", range(len(KINDS)))
def test_a_fault_at_every_call(arena: Arena, record: list[Call], turn: int) -> None:
    """After all turns, every kind was at every call."""
    jobs = [Troubles((Trouble(call=call, what=KINDS[(at + turn) % len(KINDS)]),)) for at, call in enumerate(record)]
    assert list(at_points(jobs, lambda job: job_with(arena, job))) == []
