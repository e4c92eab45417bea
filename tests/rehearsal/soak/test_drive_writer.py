"""Records on a drive whose node is taken away again and again: what was acknowledged is there, in whatever zone.

The writer is writer.py, the list of what it acknowledged is kept by observer.py, outside the node. The local cloud's
sudden death drops what was never synced; a second file that is never synced shows that it does.
"""

from __future__ import annotations

import json
import random
import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from starcluster.supervisor.memory import LEAST_AVOID
from tests.rehearsal.soak.observer import Found, Observer
from tests.rehearsal.train.conftest import TAG, Driver, Scene, started, until

HOME, AWAY = "us-east-1a", "us-east-1b"
TYPE = "c5.large"
# dollars: the difference is worth some minutes of waiting and no more, so a drive leaves a shortage and comes back
PRICES = {HOME: 0.0255, AWAY: 0.027}
NOTICE = 600.0  # of EC2's seconds: 6 on the wall; the node shares this machine and is not faster than it
SUDDEN = 0.0
MOST = 60  # an attempt has had up to so many records acknowledged before it is taken
LIMIT = 180.0


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A machine that was taken while it wrote; `at`: on the steady clock, `found`: what its attempt began with."""

    notice: float
    at: float
    zone: str
    found: Found


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What the next machine, in `next_zone`, found after one was taken."""

    taken: Taken
    next_zone: str
    found: Found

    @property
    def kind(self) -> str:
        moved = "to the other zone" if self.next_zone != self.taken.zone else "in the zone"
        return f"{'notice' if self.taken.notice else 'sudden death'}, {moved}"

    @property
    def recovery(self) -> float:
        """Wall seconds until a writer had looked at the drive again."""
        return self.found.at - self.taken.at


class Writing(Scene):
    """A cluster, and names that write to drives of their own."""

    def __init__(self, folder: Path, *, speed: int) -> None:
        super().__init__(folder, speed=speed)
        self.observers: list[Observer] = []

    def prepare(self) -> None:
        super().prepare()
        self.starcluster("put", TAG, str(Path(__file__).with_name("writer.py")), "/home")
        for zone, dollars in PRICES.items():
            self.control("price", type=TYPE, zone=zone, value=dollars)

    def begin(self, name: str, **drive: str) -> Story:
        """A driver whose node `name` writes, and the observer of its acknowledgements."""
        told = f"/home/{name}"
        self.on_master(f"touch {told}")
        watch = ("starcluster", "sshmaster", TAG, f"tail -n +1 -s 0.05 ---disable-inotify -f {told}")
        node = {"cluster_name": TAG, "instance_type": TYPE, "zones": f"{HOME}, {AWAY}", "drive": f"{name}:/data"}
        node["command"] = f"exec python3 /home/writer.py /data {told}"
        self.write(f"{name}.cfg", **{name: node, f"drive {name}": {"size": "1", **drive}})
        self.observers.append(Observer(self.start(*watch, start_new_session=True)))
        return Story(self, name, self.drive(name, f"{name}.cfg"), self.observers[-1])

    def shown(self, drive: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.starcluster("drive", "show", drive, "--json").stdout)
        return found

    @contextmanager
    def shortage(self, zone: str) -> Iterator[None]:
        self.control("capacity", type=TYPE, zone=zone, count=0)
        try:
            yield
        finally:
            self.control("capacity", type=TYPE, zone=zone, count=None)

    @contextmanager
    def held(self, action: str) -> Iterator[Callable[[], None]]:
        """The next call of this action waits until the end of this; what is yielded waits until it has come."""
        number = self.control("hold", action=action)["hold"]

        def has_come() -> bool:
            return any(one["parked"] for one in self.control("holds")["holds"] if one["number"] == number)

        try:
            yield lambda: until(has_come, f"a call of {action}", LIMIT)
        finally:
            self.control("release", hold=number)

    def close(self) -> None:
        for observer in self.observers:
            observer.stop()
        super().close()

    def zone_of(self, instance: str) -> str:
        nodes = self.control("status")["nodes"]
        return str(next(one["zone"] for one in nodes if one["instance_id"] == instance))


class Story:
    """One name, its driver, the observer and the losses so far."""

    def __init__(self, scene: Writing, name: str, driver: Driver, observer: Observer) -> None:
        self.scene, self.name, self.driver, self.observer = scene, name, driver, observer
        self.account = observer.account
        self.losses: list[Loss] = []
        self.draw = random.Random(7)

    def working(self, after: int = 0, records: int = 1) -> str:
        """Wait until an attempt after that one has had so many records acknowledged; its instance."""
        until(lambda: self.observer.has_heard(after + 1, records) or self._ended(), f"an attempt after {after}", LIMIT)
        runs = [one for one in self.scene.journal(self.name) if one["event"] == "run"]
        return str(runs[-1]["instance"])

    def _ended(self) -> bool:
        assert self.driver.process.poll() is None, f"the driver has ended\n{self.driver.ends(0)}"
        return False

    def take(self, notice: float) -> Taken:
        """EC2 takes the machine that writes."""
        instance = self.working(self.account.attempt - 1, self.draw.randint(5, MOST))
        taken = Taken(
            notice=notice, at=time.monotonic(), zone=self.scene.zone_of(instance), found=self.account.found[-1]
        )
        self.scene.control("interrupt", instance_id=instance, notice=notice)
        return taken

    def recover(self, taken: Taken) -> Loss:
        """Wait until another machine writes."""
        before = taken.found.attempt
        zone = self.scene.zone_of(self.working(before))
        found = next(one for one in self.account.found if one.attempt > before)
        self.losses.append(Loss(taken=taken, next_zone=zone, found=found))
        return self.losses[-1]

    def lose(self, notice: float) -> Loss:
        return self.recover(self.take(notice))

    def lose_in_shortage(self, notice: float) -> Loss:
        """The same while there is no other machine to be had where it is."""
        with self.scene.shortage(self.scene.zone_of(self.working(self.account.attempt - 1))):
            loss = self.lose(notice)
        time.sleep(LEAST_AVOID + 1)  # so long the driver remembers the refusal, and goes nowhere near that zone
        return loss

    def take_newest(self, notice: float) -> None:
        """EC2 takes the newest machine of the name, whatever it does."""
        self.scene.control("interrupt", instance_id=self.scene.alive(self.name)[-1], notice=notice)

    def end(self) -> None:
        """The work is let go; the driver ends well, and the observer has missed nothing."""
        self.scene.on_master(f"touch /home/{self.name}.go")
        self.driver.ends(0)
        until(lambda: self.account.done, "the writer's last word", 10)
        assert self.scene.on_master(f"cat /home/{self.name}").splitlines() == self.account.lines
        assert not self.observer.troubles, self.observer.troubles

    def has_told(self, event: str) -> bool:
        return any(one["event"] == event for one in self.scene.journal(self.name))

    def sentences(self, text: str) -> list[str]:
        return list(dict.fromkeys(line.strip() for line in self.driver.lines if text in line))


@pytest.fixture(scope="module")
def writing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Writing]:
    with started(Writing(Path(tmp_path_factory.mktemp("writing")), speed=100)) as made:
        yield made


# --- the long story -------------------------------------------------------------------------------------------------


def take_away(story: Story, *, notices: int, deaths: int, moves: int) -> None:
    """So many of each in a mixed order; every now and then there is a shortage where the drive is."""
    kinds = [NOTICE] * notices + [SUDDEN] * deaths
    story.draw.shuffle(kinds)
    every = len(kinds) // moves
    for number, notice in enumerate(kinds):
        if number % every == 0:
            loss = story.lose_in_shortage(notice)
            assert (loss.taken.zone, loss.next_zone) == (HOME, AWAY), "it went nowhere in the shortage"
        else:
            loss = story.lose(notice)
            assert loss.next_zone == HOME, "it did not come home"
        nothing_is_lost(loss)
        print(f"{number + 1} of {len(kinds)}: {loss.kind}, {loss.recovery:.1f} s, {loss.found}", flush=True)


def nothing_is_lost(loss: Loss) -> None:
    """What was acknowledged is there; after a notice also what was not synced yet."""
    found = loss.found
    assert found.lost == 0, f"{loss.kind}: {found}"
    if loss.taken.notice:
        assert found.flushed == found.records, f"it was not asked to save its work: {found}"
        assert (found.torn, found.control_lost) == (0, 0), f"a notice cost something: {found}"


def report(story: Story) -> None:
    losses = story.losses
    print(f"\n{len(losses)} losses, {story.account.acked} records written and acknowledged")
    for kind in sorted({one.kind for one in losses}):
        times = [one.recovery for one in losses if one.kind == kind]
        print(f"    {len(times):4d} {kind}: median {statistics.median(times):.1f} s, at most {max(times):.1f} s")
    print(f"    moves between zones: {sum(one.taken.zone != one.next_zone for one in losses)}")
    lost, control = sum(one.found.lost for one in losses), [one.found.control_lost for one in losses]
    print(f"    lost: {lost}; the control without fsync lost {sum(control)} in {sum(map(bool, control))} losses")
    for one in (one for one in losses if one.taken.zone == HOME and one.next_zone == AWAY):
        print(f"    shortage at home: {one.recovery:.1f} s until it wrote elsewhere")
    for sentence in story.sentences("no capacity"):
        print(f"    {sentence}")


def told_of_the_shortage(story: Story) -> str:
    """The sentence by which the driver went elsewhere."""
    return next(line for line in story.sentences(f"rather than {TYPE} in {HOME}") if "no capacity" in line)


def run(writing: Writing, name: str, *, notices: int, deaths: int, moves: int) -> None:
    story = writing.begin(name)
    try:
        story.working()
        take_away(story, notices=notices, deaths=deaths, moves=moves)
        story.end()
    finally:
        report(story)
    assert sum(one.taken.notice == SUDDEN for one in story.losses) == deaths
    assert re.search(rf"{TYPE} in {AWAY} in about \d+ \w+ for \$[\d.]+/h", told_of_the_shortage(story))
    # death may come between the two writes of a record: one that the control lacks shows nothing
    assert any(one.found.control_lost > 1 for one in story.losses), "void: nothing was lost without fsync either"


@pytest.mark.long
def test_what_was_acknowledged_is_there(writing: Writing) -> None:
    run(writing, "writer", notices=2, deaths=2, moves=1)


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_what_was_acknowledged_is_there_after_two_hundred_losses(writing: Writing) -> None:
    run(writing, "longwriter", notices=100, deaths=100, moves=20)


# --- a notice in the middle of what is done with the drive -----------------------------------------------------------


@pytest.mark.long
def test_a_notice_in_the_middle_of_a_snapshot_costs_nothing(writing: Writing) -> None:
    """The file system stands still for it when the writer is asked to save its work."""
    story = writing.begin("kept", snapshot_every="5")
    story.working()
    with writing.held("CreateSnapshot") as has_come:
        has_come()
        instance, before = writing.alive("kept")[-1], story.account.found[-1]
        taken = Taken(notice=NOTICE, at=time.monotonic(), zone=HOME, found=before)
        writing.control("interrupt", instance_id=instance, notice=NOTICE)
        until(lambda: story.has_told("checkpoint-asked"), "the order to save", LIMIT)
    assert story.recover(taken).found.lost == 0
    story.end()
    report(story)


@pytest.mark.parametrize(
    ("action", "notice"),
    [("CreateVolume", NOTICE), ("AttachVolume", NOTICE), ("AttachVolume", SUDDEN)],
)
@pytest.mark.long
def test_a_machine_taken_while_the_drive_is_brought_to_it(writing: Writing, action: str, notice: float) -> None:
    """The drive is on its way to another zone, and the next machine gets it, wherever that is."""
    story = writing.begin(f"brought-{action}-{notice:g}".lower())
    story.working()
    with writing.shortage(HOME):
        with writing.held(action) as has_come:
            taken = story.take(NOTICE)
            has_come()
            story.take_newest(notice)
        assert story.recover(taken).found.lost == 0
    nothing_is_lost(story.lose(NOTICE))
    story.end()
    report(story)


# --- where the user allows a loss -----------------------------------------------------------------------------------


@pytest.mark.long
def test_with_may_lose_every_record_up_to_the_stated_snapshot_is_there(writing: Writing) -> None:
    """A sudden death, and another zone: the drive goes on from its snapshot, and what was left behind is kept."""
    story = writing.begin("hasty", may_lose="600", snapshot_every="0")
    story.working()
    promised = story.account.acked  # the file system stands still for the snapshot after this
    shot = writing.starcluster("drive", "snapshot", "hasty").stdout.split()[-1]
    until(lambda: writing.shown("hasty")["newest_snapshot"] == shot, f"the end of {shot}", LIMIT)
    stated, volume = story.account.acked, writing.shown("hasty")["volume_id"]
    until(lambda: story.account.acked > stated + MOST, "records after the snapshot", LIMIT)
    loss = story.lose_in_shortage(SUDDEN)
    found, after = loss.found, writing.shown("hasty")
    story.end()
    report(story)
    (sentence,) = story.sentences("has an older state of it")
    print(f"    {sentence}\n    promised before the snapshot: {promised}")
    assert f"{volume} is in {HOME}; {shot} has" in sentence
    assert promised <= found.records < found.acked, "not as the snapshot has it"
    assert (loss.next_zone, after["zone"], after["forks"]) == (AWAY, AWAY, [volume])
