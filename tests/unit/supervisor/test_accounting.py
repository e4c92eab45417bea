"""The sum of costs is kept beside the loop, and trouble with it is not tried again and again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from starcluster.cluster.costs import Meter
from starcluster.cluster.namerecord import NameRecord, NameRecords, Spent
from starcluster.model import InstanceState
from starcluster.supervisor.accounting import Accountant
from starcluster.supervisor.crew import Crew, Lane
from starcluster.supervisor.journal import Journal
from starcluster.supervisor.look import NameLook
from tests.fakes.ec2 import START, FakeEc2, fake_error
from tests.unit.supervisor.stage import StepClock
from tests.unit.supervisor.world import instance


class Books:
    """One name whose first instance is gone, and the accountant that looks after its sum."""

    def __init__(self, folder: Path) -> None:
        self.ec2, self.clock, self.crew = FakeEc2(), StepClock(), Crew()
        self.records = NameRecords(self.ec2.templates, "c")
        self.journal = Journal(folder, "c")
        self.accountant = Accountant(
            meter=Meter(self.ec2, self.clock),
            records=self.records,
            crew=self.crew,
            journal=self.journal,
            clock=self.clock,
        )
        self.records.change(self.records.ensure("mynode"), generation=1, born="i-1")

    def known(self, state: InstanceState = InstanceState.TERMINATED) -> NameLook:
        gone = replace(instance(state=state), launched=START, instance_type="c5.large")
        return NameLook(record=self.records.get("mynode"), instances=(gone,))

    @property
    def spent(self) -> Spent:
        record = self.records.get("mynode")
        assert record is not None
        return record.spent


def test_what_runs_is_not_counted(tmp_path: Path) -> None:
    books = Books(tmp_path)
    books.accountant.count("mynode", books.known(InstanceState.RUNNING))
    assert (books.spent, books.ec2.count("spot.history")) == (Spent(), 0)


def test_what_can_not_be_written_is_tried_again_after_a_while(tmp_path: Path) -> None:
    books = Books(tmp_path)
    books.ec2.fail_next("templates.tag", fake_error("RequestLimitExceeded"))
    for _ in range(5):
        books.accountant.count("mynode", books.known())
    assert books.spent.generation == 0
    assert books.ec2.count("templates.tag") == 2, "the record's own, and one try"
    books.clock.time += 61
    books.accountant.count("mynode", books.known())
    assert books.spent.generation == 1
    books.clock.time += 61
    books.accountant.count("mynode", books.known())
    assert books.ec2.count("templates.tag") == 3


def test_it_is_done_beside_the_loop(tmp_path: Path) -> None:
    books = Books(tmp_path)
    given: list[str] = []
    books.crew.give = lambda name, job, lane=Lane.ACTS: given.append(name)  # type: ignore[method-assign]
    books.accountant.count("mynode", books.known())
    assert given == ["the costs of mynode"]
    assert books.spent == Spent()


def test_the_end_is_written_at_once_and_told(tmp_path: Path) -> None:
    books = Books(tmp_path)
    books.accountant.close("mynode", books.known())
    assert books.spent.generation == 1
    (event,) = books.journal.read("mynode")
    assert (event["event"], event["whole"], event["seconds"]) == ("cost", False, books.spent.seconds)


def test_a_name_that_never_had_a_machine_has_no_sum(tmp_path: Path) -> None:
    books = Books(tmp_path)
    for known in (NameLook(), NameLook(record=NameRecord(name="mynode", cluster="c"))):
        books.accountant.count("mynode", known)
        books.accountant.close("mynode", known)
        books.accountant._write("mynode", known)
    assert (books.spent, books.journal.read("mynode")) == (Spent(), [])
