"""`starcluster nodes`: what it shows of each name, in columns and as JSON."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from starcluster.cluster.costs import Tariff
from starcluster.cluster.namerecord import Attempt, Lease, NameRecord, NameRecords, Outcome, OutcomeState, Spent
from starcluster.cluster.record import GENERATION
from starcluster.commands.nodefacts import COLUMNS, NodeFacts, facts_of
from starcluster.commands.showing import counted, duration, money, saved_words, spent_words
from starcluster.commands.tables import Column, fitting, left_out, table
from starcluster.model import Instance, InstanceState, Market, SpotPrice
from tests.fakes.ec2 import FakeEc2
from tests.unit.commands.conftest import Run
from tests.unit.commands.test_lists import launch

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TARIFF = Tariff(
    spot=(SpotPrice(instance_type="c5.large", zone="z", price=0.03, at=NOW - 9 * HOUR),),
    on_demand=0.12,
)
RUNNING = Instance(
    id="i-1",
    state=InstanceState.RUNNING,
    instance_type="c5.large",
    zone="z",
    market=Market.SPOT,
    launched=NOW - 2 * HOUR,
    tags={"alias": "mynode", GENERATION: "1"},
)
LEASE = Lease(holder="me@here:1:1", until=NOW + HOUR)
REPORT = {"instance_id": "i-1", "phase": "running", "run": {"attempt": 1, "step": 30, "total": 100}}


def record(**more: object) -> NameRecord:
    facts: dict[str, object] = {"generation": 1, "born": "i-1", "attempt": Attempt(number=1), "lease": LEASE}
    return NameRecord(name="mynode", cluster="c", **(facts | more))  # type: ignore[arg-type]


def facts(*instances: Instance, report: dict[str, object] | None = None, **more: object) -> NodeFacts:
    return facts_of(record(**more), instances, report, lambda _: TARIFF, NOW)


def test_a_working_node_in_words() -> None:
    words = dict(zip([one.head for one in COLUMNS], facts(RUNNING, report=REPORT).words(), strict=True))
    assert words == {
        "NAME": "mynode",
        "STATE": "running",
        "INSTANCE": "i-1",
        "TYPE": "c5.large",
        "ZONE": "z",
        "MARKET": "spot",
        "USD/H": "0.0300",
        "AGE": "2h00m",
        "TAKEN": "0",
        "ATTEMPT": "1",
        "PROGRESS": "30/100",
        "COST": "0.0600",
        "SAVED": "0.1800 (75%)",
        "WHAT": "running",
    }


def test_a_working_node_as_json() -> None:
    shown = facts(RUNNING, report=REPORT).as_json()
    assert (shown["price_usd_per_hour"], shown["age_seconds"], shown["cost_usd"]) == (0.03, 7200, 0.06)
    assert (shown["launched_at"], shown["watched_by"]) == ("2026-01-31T10:00:00Z", "me@here:1:1")
    assert (shown["step"], shown["total"], shown["cost_is_whole"], shown["saved_usd"]) == (30, 100, True, 0.18)
    json.dumps(shown)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"lease": None}, "no machine; starcluster train mynode gets it one"),
        ({"lease": Lease(holder="x", until=NOW - HOUR)}, "no machine; "),
        ({"asking_since": NOW}, "waits for a machine since 12:00:00 UTC"),
        (
            {"outcome": Outcome(state=OutcomeState.FAILED, at=NOW, exit=3)},
            "failed 2026-01-31 12:00:00 UTC, exit status 3",
        ),
    ],
)
def test_what_is_said_of_a_name_without_a_machine(more: dict[str, object], words: str) -> None:
    assert facts(**more).what.startswith(words)


def test_a_node_that_nobody_watches_is_told() -> None:
    assert facts(RUNNING, lease=None).what == "being set up; nobody watches it: starcluster train mynode"
    kept = facts(RUNNING, outcome=Outcome(state=OutcomeState.FINISHED, at=NOW, exit=0))
    assert kept.what.endswith("and its node is kept")


def test_the_word_of_a_dead_instance_says_how_far_it_came_and_no_more() -> None:
    told = facts(RUNNING, report={**REPORT, "instance_id": "i-0"})
    assert (told.phase, told.run["step"]) == ("", 30)


@pytest.mark.parametrize(
    ("spent", "cost", "saved"),
    [
        (Spent(), "-", "-"),
        (Spent(seconds=60, usd=0.5, on_demand=2), "0.5000", "1.50 (75%)"),
        (Spent(seconds=60, usd=0.5, on_demand=2, unknown=1, unpriced=1), "0.5000+?", "?"),
        (Spent(unknown=1, unpriced=1), "?", "?"),
        (Spent(seconds=60, usd=0.5, unpriced=1), "0.5000", "?"),
    ],
)
def test_what_is_unknown_is_no_zero(spent: Spent, cost: str, saved: str) -> None:
    assert (spent_words(spent), saved_words(spent)) == (cost, saved)


def test_one_thing_and_several() -> None:
    assert [counted(number, "node") for number in (0, 1, 2)] == ["0 nodes", "1 node", "2 nodes"]


def test_durations_and_money() -> None:
    shown = [duration(seconds) for seconds in (0, 59.9, 185, 3725, 200000, None)]
    assert shown == ["0s", "59s", "3m05s", "1h02m", "2d07h", "?"]
    assert [money(0.03), money(12.345), money(None)] == ["0.0300", "12.35", "?"]


def test_a_narrow_terminal_gets_the_columns_that_matter_most() -> None:
    rows = [facts(RUNNING, report=REPORT).words()]
    heads = [COLUMNS[at].head for at in fitting(COLUMNS, rows, 70)]
    assert heads == ["NAME", "STATE", "PROGRESS", "COST", "SAVED", "WHAT"]
    assert len(fitting(COLUMNS, rows, 200)) == len(COLUMNS)
    assert fitting([Column(head="A" * 80)], [["a"]], 60) == [0]


def test_what_never_goes_is_folded_and_only_then_left_out() -> None:
    columns = [Column(head="NAME"), Column(head="PRINT", fold=24), Column(head="LAST")]
    rows = [["mykey", "a" * 60, "x"]]
    assert fitting(columns, rows, 60) == [0, 1, 2]
    assert fitting(columns, rows, 34) == [0, 1]
    assert left_out(columns, rows, 34).startswith("Not shown: LAST ")
    assert fitting(columns, rows, 3) == [0]
    out = io.StringIO()
    Console(file=out, width=60, force_terminal=True, color_system=None).print(table(columns, rows, 60))
    assert "mykey" in out.getvalue()
    assert out.getvalue().count("a") == 60


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_table_is_as_wide_as_the_terminal_at_most(width: int) -> None:
    out = io.StringIO()
    long = facts(lease=None)
    rows = [facts(RUNNING, report=REPORT).words(), long.words()]
    Console(file=out, width=width, force_terminal=True, color_system=None).print(table(COLUMNS, rows, width))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert any("mynode" in line and "0.0600" in line for line in lines)


@pytest.fixture(autouse=True)
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARCLUSTER_HOME", str(tmp_path))
    (tmp_path / "config").write_text("[global]\nCLOUD = local\n")


def made(ec2: FakeEc2) -> NameRecord:
    """A cluster without a master, and a name whose machine runs."""
    node = launch(ec2, "mynode", Market.SPOT)
    ec2.advance()
    records = NameRecords(ec2.templates, "demo")
    records.ensure("idle")
    return records.change(records.ensure("mynode"), generation=1, born=node)


def test_nodes_are_shown_without_a_master_too(run: Run, ec2: FakeEc2) -> None:
    born = made(ec2).born
    result = run("nodes", "demo")
    assert result.code == 0
    heads, idle, mine = result.out.splitlines()
    assert heads.split() == [one.head for one in COLUMNS]
    assert (idle.split()[:3], mine.split()[:4]) == (["idle", "none", "-"], ["mynode", "running", born, "m1.small"])
    assert "the master can not be asked" in result.err


def test_active_leaves_out_what_has_no_machine(run: Run, ec2: FakeEc2) -> None:
    made(ec2)
    shown = json.loads(run("nodes", "demo", "--active", "--json").out)
    assert [one["name"] for one in shown] == ["mynode"]
    ec2.instances.terminate([shown[0]["instance_id"]])
    assert run("nodes", "demo", "--active").out == "demo has no active nodes; without --active 2 more\n"


def test_a_cluster_without_names_says_how_to_make_one(run: Run, ec2: FakeEc2) -> None:
    launch(ec2, "master")
    assert run("nodes", "demo").out == "demo has no named nodes: starcluster train NODE makes one\n"
    assert run("nodes", "demo", "--json").out == "[]\n"
