"""The table of a running driver: its rows are values, its picture fits the terminal."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from starcluster.cluster.costs import Tariff
from starcluster.cluster.namerecord import Attempt, Intent, Outcome, OutcomeState
from starcluster.commands.liveview import COLUMNS, HINT, bar, countdown, picture
from starcluster.model import InstanceState, Market, SpotPrice, SpotRequest, SpotState
from starcluster.supervisor.board import Board, Pace, Row, Tone, row_of
from starcluster.supervisor.look import NameLook, NodePhase, RunState, Silent, Unreachable
from tests.unit.supervisor.world import NOW, POOL, instance, known, look, record, report, run, wish

TARIFF = Tariff(spot=(SpotPrice(instance_type="c5.large", zone="z", price=0.03, at=NOW),), on_demand=0.12)
HERE = replace(instance(), instance_type="c5.large", market=Market.SPOT, launched=NOW)


def working(step: int, *, attempt: int = 1) -> NameLook:
    told = report(phase=NodePhase.RUNNING, run=run(attempt, step=step, total=100))
    return known(instances=(HERE,), answer=told)


def board() -> Board:
    made = Board(lambda _: TARIFF)
    made.wait_for([wish()])
    return made


def see(made: Board, seen: NameLook, seconds: float) -> Row:
    moment = NOW + timedelta(seconds=seconds)
    made.see([wish()], look(seen), moment)
    (row,) = made.rows(moment)
    return row


INTENT = Intent(token="t", pool=POOL, at=NOW)
DONE = Outcome(state=OutcomeState.FINISHED, at=NOW, exit=0)


@pytest.mark.parametrize(
    ("seen", "doing", "tone"),
    [
        (known(record=None), "gets a machine", Tone.BUSY),
        (known(record=record(intent=INTENT, born=""), asking_for=7), "asks for a machine (7 s)", Tone.BUSY),
        (known(pause=5), "waits before it asks again", Tone.BUSY),
        (known(holder="ann@laptop"), "is watched by another driver", Tone.OVER),
        (known(record=record(outcome=DONE)), "has finished", Tone.OVER),
        (known(record=record(outcome=replace(DONE, state=OutcomeState.FAILED))), "gave up", Tone.BAD),
        (known(instances=(instance(state=InstanceState.PENDING),)), "boots", Tone.BUSY),
        (known(instances=(instance(state=InstanceState.SHUTTING_DOWN),)), "is shutting-down", Tone.BAD),
        (known(instances=(instance(ready=""),)), "is being set up", Tone.BUSY),
        (known(instances=(HERE,)), "has no agent yet", Tone.BUSY),
        (known(instances=(HERE,), answer=Silent(age=50)), "is not heard", Tone.BAD),
        (known(instances=(HERE,), answer=Unreachable(why="x")), "is not heard", Tone.BAD),
        (known(instances=(HERE,), answer=report()), "is ready", Tone.BUSY),
        (working(5), "works", Tone.GOOD),
        (known(instances=(HERE,), answer=report(run=run(stage="setup"))), "runs its setup", Tone.BUSY),
        (known(instances=(HERE,), answer=report(run=run(lingering=2))), "has ended, but for some processes", Tone.BUSY),
        (
            known(instances=(HERE,), answer=report(run=run(1, RunState.EXITED, exit=3))),
            "failed, and is tried again",
            Tone.BAD,
        ),
        (known(instances=(HERE,), answer=report(run=run(1, RunState.EXITED, exit=0))), "has ended", Tone.GOOD),
        (known(instances=(HERE,), answer=report(phase=NodePhase.DRAINING)), "saves its work", Tone.BAD),
        (known(instances=(HERE,), answer=report(phase=NodePhase.DRAINED)), "has saved its work", Tone.BAD),
    ],
)
def test_what_a_name_does(seen: NameLook, doing: str, tone: Tone) -> None:
    row = row_of(wish(), seen, look(seen))
    assert (row.doing, row.tone) == (doing, tone)


def test_the_time_left_follows_from_the_steps_that_were_seen() -> None:
    made = board()
    assert see(made, working(10), 0).left is None
    assert see(made, working(10), 5).left is None
    assert see(made, working(30), 10).left == pytest.approx(35)
    (later,) = made.rows(NOW + timedelta(seconds=15))
    assert later.left == pytest.approx(30)
    (stuck,) = made.rows(NOW + timedelta(seconds=999))
    assert stuck.left == 0


def test_a_new_attempt_has_a_rate_of_its_own() -> None:
    pace = Pace()
    for at, step in ((0, 10), (10, 30)):
        pace.note(run(1, step=step, total=100), at)
    pace.note(run(2, step=20, total=100), 20)
    assert pace.left(100, 20) is None
    pace.note(run(2, step=21, total=100), 21)
    assert pace.left(100, 21) == pytest.approx(79)
    pace.note(run(2, step=None), 22)
    pace.note(run(2, step=5, total=100), 23)
    assert pace.left(100, 23) is None, "a step back is a new beginning"


def test_what_an_earlier_job_told_is_not_shown() -> None:
    seen = working(100)
    assert row_of(wish(), seen, look(seen)).step == 100
    earlier = replace(seen, record=record(attempt=Attempt(number=1, floor=1)))
    assert row_of(wish(), earlier, look(earlier)).step is None
    unbegun = replace(seen, begun=False)
    assert row_of(wish(), unbegun, look(unbegun)).step is None


def test_costs_grow_while_it_runs() -> None:
    made = board()
    assert see(made, working(10), 3600).spent.usd == pytest.approx(0.03)
    (row,) = made.rows(NOW + timedelta(hours=2))
    assert (row.spent.usd, row.spent.on_demand) == pytest.approx((0.06, 0.24))


def test_how_far_it_was_stands_until_it_is_known_anew() -> None:
    made = board()
    see(made, working(42), 0)
    row = see(made, known(instances=(instance(state=InstanceState.SHUTTING_DOWN),)), 5)
    assert (row.step, row.total, row.left) == (42, 100, None)


def test_the_end_stays_to_be_seen() -> None:
    made = board()
    see(made, working(100), 0)
    made.end("mynode", "has finished", well=True)
    (row,) = made.rows(NOW)
    assert (row.doing, row.tone, row.step) == ("has finished", Tone.OVER, 100)


def test_the_countdown_of_a_notice() -> None:
    at = NOW.timestamp()
    seen = known(
        instances=(HERE,), answer=report(phase=NodePhase.DRAINING, notice="terminate", notice_time=at + 103, run=run())
    )
    row = row_of(wish(), seen, look(seen))
    assert row.taken_at == at + 103
    assert countdown(row.taken_at, NOW) == "taken in 1:43: "
    assert countdown(row.taken_at, NOW + timedelta(hours=1)) == "taken in 0:00: "
    assert countdown(0, NOW) == ""


def test_bars() -> None:
    assert bar(50, 100, plain_signs=True) == "######......  50%"
    assert bar(200, 100, plain_signs=True) == "############ 100%"
    assert bar(None, 100) == bar(5, 0) == ""
    assert bar(1, 3) == "\u2501" * 4 + "\u2500" * 8 + "  33%"


def drawn(rows: list[Row], width: int, height: int = 1000) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system=None)
    console.print(picture(rows, NOW, width=width, height=height))
    return out.getvalue().splitlines()


def rows(count: int, name: str = "mynode") -> list[Row]:
    seen = working(30)
    first = replace(row_of(wish(), seen, look(seen)), name=name)
    return [first, *(Row(name=f"n{number}", doing="boots") for number in range(1, count))]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    lines = drawn(rows(3, "the-name-of-a-node-is-long-here"), width)
    assert max(map(len, lines)) <= width
    assert any("works" in line for line in lines)
    assert len(lines) == 6


@pytest.mark.parametrize("width", [60, 80, 120])
def test_what_is_too_long_is_cut_where_it_may_be(width: int) -> None:
    first, *_ = rows(1)
    long = replace(first, doing="has ended, but for some processes, and for a lot of other things that take time")
    heads, _, line, _ = drawn([long], width)
    assert "\u2026" in line
    assert "COST" in heads
    assert line.rstrip().endswith("-")


def test_narrow_terminals_get_less_and_wide_ones_all() -> None:
    assert "PROGRESS" in drawn(rows(2), 60)[0]
    assert "MACHINE" not in drawn(rows(2), 60)[0]
    wide = drawn(rows(2), 200)
    assert wide[0].split() == [column.head for column in COLUMNS]
    assert "1 work, 1 on their way" in wide[-1]
    assert HINT in wide[-1]


def test_in_a_low_terminal_trouble_is_shown_first() -> None:
    many = [*rows(30), Row(name="ill", doing="is not heard", tone=Tone.BAD)]
    lines = drawn(many, 100, height=12)
    assert len(lines) <= 12
    assert lines[2].startswith("ill ")
    assert "... and 24 more" in lines[-2]


def test_what_a_look_does_not_show_stays_as_it_was() -> None:
    made = board()
    made.see([wish("other")], look(working(5)), NOW)
    (row,) = made.rows(NOW)
    assert row.doing == "is looked for"


def test_steps_in_one_moment_tell_no_rate() -> None:
    pace = Pace()
    for step in (1, 2):
        pace.note(run(1, step=step, total=9), 5)
    assert pace.left(9, 5) is None


def test_a_node_that_ec2_takes_before_its_notice_is_heard() -> None:
    closed = SpotRequest(id="sir-1", state=SpotState.CLOSED, code="instance-terminated-no-capacity", instance_id="i-1")
    seen = replace(working(5), requests=(closed,))
    assert row_of(wish(), seen, look(seen)).doing == "is taken by EC2"
