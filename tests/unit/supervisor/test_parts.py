"""Journal, lease, name record, agent link and the train verb's words."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from starcluster import exception
from starcluster.cluster.namerecord import (
    Attempt,
    Intent,
    Lease,
    NameRecord,
    NameRecords,
    Outcome,
    OutcomeState,
    Spent,
    Successor,
    read_record,
    record_tags,
)
from starcluster.commands.train import split
from starcluster.model import LaunchTemplate, Market, Pool
from starcluster.supervisor import agentlink, lease
from starcluster.supervisor.agentlink import AgentError
from starcluster.supervisor.journal import Journal
from starcluster.supervisor.memory import LATELY, Memory
from tests.fakes.ec2 import FakeEc2
from tests.unit.supervisor.stage import StepClock
from tests.unit.supervisor.world import NOW, POOL, record

# the journal ------------------------------------------------------------------------------------------------


def test_a_torn_line_is_left_out_and_the_next_is_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "c")
    journal.add("mynode", "one", number=1)
    with journal.path("mynode").open("a") as file:
        file.write('{"event": "torn", "at')
    journal.add("mynode", "two")
    assert [one["event"] for one in journal.read("mynode")] == ["one", "two"]


def test_what_was_told_once_is_not_told_again_by_another_driver(tmp_path: Path) -> None:
    assert Journal(tmp_path, "c").add_once("mynode", ("gone", "i-1"), "gone")
    second = Journal(tmp_path, "c")
    assert not second.add_once("mynode", ("gone", "i-1"), "gone")
    assert second.add_once("mynode", ("gone", "i-2"), "gone")
    assert len(second.read("mynode")) == 2


def test_a_disk_that_is_away_costs_the_history_only(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("a file where a folder should be")
    journal = Journal(tmp_path, "c")
    journal.add("mynode", "one")
    assert journal.read("mynode") == []


def test_names_share_a_journal_without_case(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "c")
    journal.add("VD2D", "one")
    assert journal.path("vd2d").exists()


def test_a_long_journal_keeps_its_newest_lines(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "c")
    line = json.dumps({"event": "old", "text": "x" * 1000}) + "\n"
    journal.add("mynode", "first")
    with journal.path("mynode").open("a") as file:
        file.write(line * 6000)
    journal.add_once("mynode", ("key", 1), "last")
    Journal(tmp_path, "c").add_once("mynode", ("key", 2), "after")
    found = [one["event"] for one in journal.read("mynode")]
    assert len(found) == 5001
    assert found[0] == "old"
    assert found[-2:] == ["last", "after"]
    assert not Journal(tmp_path, "c").add_once("mynode", ("key", 1), "last")
    assert [one.name for one in (tmp_path / "c").iterdir()] == ["mynode.jsonl"]


def test_a_short_journal_is_left_as_it_is(tmp_path: Path) -> None:
    Journal(tmp_path, "c").add("mynode", "first")
    Journal(tmp_path, "c").add_once("mynode", ("key",), "second")
    assert [one["event"] for one in Journal(tmp_path, "c").read("mynode")] == ["first", "second"]


# the lease --------------------------------------------------------------------------------------------------

ME = lease.Holder.of_this_process()


def held(holder: str, seconds: float = 60) -> NameRecord:
    return record(lease=Lease(holder=holder, until=NOW + timedelta(seconds=seconds)))


def seen(held_by: NameRecord | None, memory: Memory) -> str:
    return lease.other_holder(held_by, ME, memory, 1.0)


def test_a_good_lease_of_another_keeps_us_away_as_long_as_it_changes() -> None:
    clock = StepClock()
    memory = Memory(clock)
    for renewal in range(20):
        assert seen(held("you@there/b:1:2", renewal), memory) == "you@there/b:1:2"
        clock.time += lease.LENGTH - 1
    clock.time += 1
    assert seen(held("you@there/b:1:2", 19), memory) == ""
    assert seen(held(ME.text), memory) == seen(record(), memory) == seen(None, memory) == ""


@pytest.mark.parametrize("wrong", [-36_000, 36_000])
def test_clocks_that_disagree_do_not_matter(wrong: float) -> None:
    """The other machine's time, as it wrote it into its lease, is ten hours before or after ours."""
    clock = StepClock()
    memory = Memory(clock)
    assert seen(held("you@there/b:1:2", wrong), memory)
    clock.time += lease.LENGTH - 1
    assert seen(held("you@there/b:1:2", wrong + 90), memory)
    clock.time += lease.LENGTH
    assert seen(held("you@there/b:1:2", wrong + 90), memory) == ""


def test_a_holder_that_died_on_this_machine_holds_nothing() -> None:
    child = subprocess.Popen(["sleep", "60"])
    place = ME.text.rsplit(":", 2)[0]
    start = Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    holder = f"{place}:{child.pid}:{start}"
    assert seen(held(holder), Memory(StepClock())) == holder
    child.kill()
    child.wait()
    assert seen(held(holder), Memory(StepClock())) == ""


def test_a_lease_is_renewed_when_half_of_it_is_gone() -> None:
    clock = StepClock()
    memory = Memory(clock)
    mine = record(lease=lease.new_lease(ME, NOW, 1.0))
    assert not lease.wants_renewal(mine, ME, memory, 1.0)
    clock.time += lease.LENGTH / 2
    assert lease.wants_renewal(mine, ME, memory, 1.0)
    assert lease.wants_renewal(record(), ME, memory, 1.0)
    assert lease.length(1000.0) == timedelta(seconds=lease.LEAST)


# the name's record ------------------------------------------------------------------------------------------

pools = some.builds(
    Pool,
    instance_type=some.sampled_from(["c5.large", "g4dn.xlarge"]),
    zone=some.just("us-east-1a"),
    market=some.sampled_from(Market),
)
moments = some.integers(0, 4_000_000_000).map(lambda seconds: NOW.fromtimestamp(seconds, NOW.tzinfo))
records = some.builds(
    NameRecord,
    name=some.just("mynode"),
    cluster=some.just("c"),
    template_id=some.just("lt-1"),
    generation=some.integers(0, 9999),
    try_number=some.integers(0, 9999),
    intent=some.none() | some.builds(Intent, token=some.just("sc-" + "a" * 48), pool=pools, at=moments),
    asking_since=some.none() | moments,
    born=some.sampled_from(["", "i-0123456789abcdef0"]),
    attempt=some.builds(Attempt, number=some.integers(0, 99), failures=some.integers(0, 99), floor=some.integers(0, 9)),
    outcome=some.none()
    | some.builds(
        Outcome, state=some.sampled_from(OutcomeState), at=moments, exit=some.none() | some.integers(-64, 255)
    ),
    lease=some.none() | some.builds(Lease, holder=some.just("me@here/b:1:2"), until=moments),
    drained=some.integers(0, 99),
    released=some.lists(some.from_regex(r"i-[0-9a-f]{17}", fullmatch=True), max_size=6).map(tuple),
    spent=some.builds(
        Spent,
        generation=some.integers(0, 9999),
        seconds=some.integers(0, 10**9).map(float),
        usd=some.integers(0, 10**9).map(lambda number: number / 100),
        on_demand=some.integers(0, 10**9).map(lambda number: number / 100),
        interruptions=some.integers(0, 9999),
        unknown=some.integers(0, 9999),
        unpriced=some.integers(0, 9999),
    ),
)


@given(records)
def test_a_record_is_its_tags(written: NameRecord) -> None:
    tags = record_tags(written)
    assert all(len(value) <= 256 and len(key) <= 128 for key, value in tags.items())
    assert len(tags) < 40
    assert read_record(LaunchTemplate(id="lt-1", name="sc-c-mynode", tags=tags)) == written


def test_only_what_differs_is_written() -> None:
    ec2 = FakeEc2()
    store = NameRecords(ec2.templates, "c")
    made = store.ensure("MyNode")
    assert store.ensure("mynode").name == "MyNode"
    changed = store.change(made, generation=3)
    assert (changed.generation, store.find()["mynode"].generation) == (3, 3)
    before = ec2.count("templates.tag")
    store.change(changed, generation=3)
    assert ec2.count("templates.tag") == before


def test_who_has_written_knows_what_is_read() -> None:
    store = NameRecords(FakeEc2().templates, "c")
    heir = Successor(generation=2, try_number=1, at=NOW + timedelta(microseconds=7))
    changed = store.change(store.ensure("mynode"), successor=heir, asking_since=heir.at)
    assert changed == store.get("mynode")
    assert changed.successor == replace(heir, at=NOW)


def test_a_newer_record_is_not_touched() -> None:
    ec2 = FakeEc2()
    store = NameRecords(ec2.templates, "c")
    made = store.ensure("mynode")
    ec2.templates.tag(made.template_id, {"@sc-schema": "99"})
    assert store.find() == {}
    with pytest.raises(exception.RecordError, match="99"):
        store.ensure("mynode")


def test_a_broken_record_is_told() -> None:
    ec2 = FakeEc2()
    store = NameRecords(ec2.templates, "c")
    ec2.templates.tag(store.ensure("mynode").template_id, {"@sc-intent": "{"})
    with pytest.raises(exception.RecordError, match="sc-c-mynode"):
        store.get("mynode")


# the agent's link -------------------------------------------------------------------------------------------


class Answers:
    """A shell that answers with one thing."""

    def __init__(self, status: int = 0, output: bytes = b"", errors: bytes = b"") -> None:
        self.answer = (status, output, errors)
        self.commands: list[str] = []

    def run(self, command: str, *, data: bytes = b"", timeout: float | None = None) -> tuple[int, bytes, bytes]:
        self.commands.append(command)
        return self.answer


def test_the_package_is_the_same_each_time_and_runs_with_nothing_installed(tmp_path: Path) -> None:
    version, archive = agentlink.package()
    agentlink.package.cache_clear()
    assert agentlink.package() == (version, archive)
    path = tmp_path / "agent.pyz"
    path.write_bytes(archive)
    assert "starcluster/agent/node.py" in zipfile.ZipFile(path).namelist()
    words = [sys.executable, "-I", "-S", str(path), "call", '{"v": 1, "op": "look", "names": []}']
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert json.loads(done.stdout) == {"ok": True, "v": 1, "reports": {}}


class LocalShell:
    """This machine's; `cut`: so many bytes of the input arrive, and then its end, as when the driver dies."""

    def __init__(self, cut: int | None = None) -> None:
        self.cut, self.runs = cut, 0

    def run(self, command: str, *, data: bytes = b"", timeout: float | None = None) -> tuple[int, bytes, bytes]:
        self.runs += 1
        done = subprocess.run(["sh", "-c", command], input=data[: self.cut], capture_output=True)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(agentlink, "PROGRAM", str(tmp_path / "bin" / "starcluster-agent"))
    monkeypatch.setattr(agentlink, "_FOLDER", str(tmp_path / "lib"))
    return tmp_path


def test_the_agent_installs_itself_by_an_ordinary_shell(places: Path) -> None:
    shell = LocalShell()
    agentlink.install(shell)
    assert agentlink.call(shell, "look", names=["x"])["reports"]["x"]["report"] is None
    before = shell.runs
    agentlink.install(shell)
    assert shell.runs == before + 1


@pytest.mark.parametrize("cut", [0, 1, 5000])
def test_an_agent_that_was_cut_off_on_its_way_is_not_put_in_place(places: Path, cut: int) -> None:
    with pytest.raises(AgentError, match="cut off"):
        agentlink.install(LocalShell(cut))
    assert list((places / "lib").iterdir()) == []
    agentlink.install(LocalShell())
    assert agentlink.call(LocalShell(), "look", names=["x"])["ok"]


@pytest.mark.parametrize("left", [0, 5000])
def test_an_agent_that_is_not_whole_is_put_there_anew(places: Path, left: int) -> None:
    """By an earlier version of this program, or by a disk that lost power."""
    agentlink.install(LocalShell())
    (path,) = (places / "lib").iterdir()
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(AgentError) as caught:
        agentlink.call(LocalShell(), "hello")
    assert caught.value.kind == "absent"
    agentlink.install(LocalShell())
    assert path.stat().st_size == len(agentlink.package()[1])


@pytest.mark.parametrize(
    ("shell", "kind"),
    [
        (Answers(127, b"", b"not found"), "absent"),
        (Answers(0, b'{"ok": false, "kind": "busy", "error": "no"}'), "busy"),
        (Answers(0, b"[1]"), "failed"),
        (Answers(0, b""), "absent"),
        (Answers(1, b"", b"Traceback\nboom"), "absent"),
        (Answers(137, b"", b""), "failed"),
    ],
)
def test_an_answer_that_is_none_says_what_kind(shell: Answers, kind: str) -> None:
    with pytest.raises(AgentError) as caught:
        agentlink.call(shell, "hello")
    assert caught.value.kind == kind


@pytest.mark.parametrize("words", [{}, {"instance_id": "i", "boot_id": "b", "phase": "dancing"}])
def test_a_report_that_can_not_be_read_is_an_error(words: dict[str, str]) -> None:
    with pytest.raises(AgentError):
        agentlink.parse_report(words)


# the words of train -----------------------------------------------------------------------------------------


def test_words() -> None:
    found = split(["a", "b"], everything=False)
    assert (found.nodes, found.file, found.config) == (("a", "b"), Path("train.cfg"), None)
    found = split(["a", "x.cfg", "my.config"], everything=False)
    assert (found.nodes, found.file, found.config) == (("a",), Path("x.cfg"), "my.config")
    assert split(["a", "dir/train"], everything=False).file == Path("dir/train")
    assert split(["x.cfg"], everything=True).nodes == ()


@pytest.mark.parametrize(
    ("words", "everything"), [([], False), (["x.cfg"], False), (["a"], True), (["a", "x.cfg", "c", "d"], False)]
)
def test_wrong_words(words: list[str], everything: bool) -> None:
    with pytest.raises(exception.UsageError):
        split(words, everything=everything)


def test_released_instances_beyond_the_last_few_are_forgotten() -> None:
    many = tuple(f"i-{number:017x}" for number in range(20))
    tags = record_tags(replace(record(), released=many))
    assert len(tags["@sc-released"]) <= 256
    assert many[-1] in tags["@sc-released"]


def test_a_refusal_is_seen_by_the_next_look_of_a_driver_on_a_fast_cloud() -> None:
    """At --speed 100 a round may take longer than AVOID: the driver asked the same empty pool for ever."""
    clock = StepClock()
    clock.scale = 100.0
    memory = Memory(clock)
    memory.avoid(POOL)
    clock.time += 5 * clock.scale
    assert POOL in memory.avoided()
    clock.time += 2 * clock.scale
    assert POOL not in memory.avoided()


def test_how_long_a_pool_has_been_dry() -> None:
    clock = StepClock()
    memory = Memory(clock)
    assert memory.dry_for() == {}
    memory.avoid(POOL)
    clock.time += 500
    memory.avoid(POOL)
    assert memory.dry_for() == {POOL: 500}, "refusals in a row are one shortage"
    clock.time += LATELY + 1
    assert memory.dry_for() == {}, "nobody has asked for long: it may be over"
    memory.avoid(POOL)
    assert memory.dry_for() == {POOL: 0}, "and this is another one"
    memory.gave(POOL)
    memory.gave(POOL)
    assert memory.dry_for() == {}
