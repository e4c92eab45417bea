"""Drivers that bring one drive to their own instances, all at once, with kills and deaths between any two calls."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starcluster import exception
from starcluster.cluster.drives import plan
from starcluster.cluster.drives.drive import MARK, MARKED_FOR, Form
from starcluster.model import Instance
from tests.unit.cluster.drives.world import VolumeDoor, World

ZONES = ("us-east-1a", "us-east-1b")


class Killed(BaseException):
    """kill -9."""


class Story:
    """Brings, mounts, writes, detaches and dies at random; holds what must hold at each mount."""

    def __init__(self, seed: int, *, lossy: bool) -> None:
        self.draw, self.lossy = random.Random(seed), lossy
        self.world = World()
        self.depth = 0
        self.acknowledged: list[int] = []
        self.mounts = 0
        self.world.records.create("data", shape={"size": 1}, keep="")
        self.nodes = [self.world.launch(self.draw.choice(ZONES)) for _ in range(3)]
        self.world.meanwhile = self.meanwhile

    def meanwhile(self) -> None:
        chance = self.draw.random()
        if self.depth < 3 and chance < 0.06:
            self.act()
        elif self.depth and chance < 0.08:
            raise Killed
        elif chance < 0.12:
            self.world.finish_snapshots()
        elif chance < 0.14:
            self.die(self.draw.choice(self.nodes))
        elif chance < 0.2:
            self.world.clock.sleep(self.draw.choice((1, 60, 4000)))
        self.write()

    def die(self, node: Instance) -> None:
        self.world.end(node.id)
        self.world.mounted.pop(node.id, None)
        self.nodes[self.nodes.index(node)] = self.world.launch(self.draw.choice(ZONES))

    def act(self) -> None:
        """What one driver does until it is killed or is done."""
        self.depth += 1
        try:
            node = self.draw.choice(self.nodes)
            if node.id in self.world.mounted and self.draw.random() < 0.5:
                self.give_back(node)
            elif node.id not in self.world.mounted:
                self.bring(node)
        except (Killed, exception.BaseException):
            pass
        finally:
            self.depth -= 1

    def bring(self, node: Instance) -> None:
        form = self.world.hands(limit=20_000).bring("data", self.world.target(node, lossy=self.lossy))
        if self.world.machines[node.id].state.is_alive and node.id not in self.world.mounted:
            self.mount(node, form)

    def mount(self, node: Instance, form: Form) -> None:
        volume = self.world.made_volumes.get(form.volume.id)
        if volume is None or volume.holder is None or volume.holder.instance_id != node.id:
            return  # the device is gone: a real mount fails
        assert not self.world.mounted, f"two writers: {self.world.mounted} and {node.id} {volume.id}"
        there = self.world.contents[volume.id]
        if self.lossy:
            assert there == self.acknowledged[: len(there)] or set(there) <= set(self.acknowledged)
            self.acknowledged = list(there)
        assert there == self.acknowledged, f"{volume.id} lacks {set(self.acknowledged) - set(there)}"
        self.world.mounted[node.id] = volume.id
        self.mounts += 1
        form = Form(volume=volume)
        quiet, self.world.meanwhile = self.world.meanwhile, lambda: None
        self.world.hands().prove(form)
        self.world.meanwhile = quiet

    def write(self) -> None:
        for volume_id in self.world.mounted.values():
            self.world.contents[volume_id].append(self.world.number())
            self.acknowledged = list(self.world.contents[volume_id])

    def give_back(self, node: Instance) -> None:
        """Unmount, then detach."""
        self.world.free(self.world.mounted.pop(node.id))

    def tell(self) -> None:
        for _ in range(25):
            self.act()
            self.tidy()

    def tidy(self) -> None:
        """What prune may remove holds nothing that the present form has not."""
        self.world.meanwhile = lambda: None
        drive = self.world.records.get("data")
        for form in plan.removable(drive, self.world.clock.now()):
            assert drive.present is not None
            old, new = self.world.contents[form.volume.id], self.world.contents[drive.present.volume.id]
            assert old == new[: len(old)] or not form.mark
        self.world.meanwhile = self.meanwhile


SEEDS = st.integers(0, 10**9)


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_one_writer_and_nothing_lost(seed: int) -> None:
    Story(seed, lossy=False).tell()


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_one_writer_where_an_older_state_is_preferred_to_waiting(seed: int) -> None:
    Story(seed, lossy=True).tell()


@pytest.mark.long
@pytest.mark.timeout(3600)
@settings(max_examples=10_000, deadline=None)
@given(SEEDS, st.booleans())
def test_ten_thousand_stories(seed: int, lossy: bool) -> None:
    Story(seed, lossy=lossy).tell()


def test_the_stories_do_get_somewhere() -> None:
    told = [Story(seed, lossy=False) for seed in range(20)]
    for story in told:
        story.tell()
    assert sum(story.mounts for story in told) > 30
    assert sum(len(story.world.made_snapshots) for story in told) > 10


@pytest.mark.parametrize("seed", range(12))
def test_in_quiet_times_the_drive_comes_up_wherever_it_is_wanted(seed: int) -> None:
    """Whatever state the trouble left: with nobody in the way it comes up, or says what the user must do."""
    story = Story(seed, lossy=False)
    story.tell()
    world = story.world
    world.meanwhile = world.finish_snapshots
    for node in list(story.nodes):
        story.world.mounted.pop(node.id, None)
        world.end(node.id)
    for zone in ZONES:
        node = world.launch(zone)
        form = world.hands().bring("data", world.target(node))
        assert world.contents[form.volume.id] == story.acknowledged
        world.free(form.volume.id)


def test_an_attachment_that_is_seen_without_the_entries_before_it_is_no_leave_to_mount() -> None:
    """Two drivers of one node: the one that attached looks again, and so must the one that finds it attached."""
    world = World()
    world.records.create("data", shape={"size": 1}, keep="")
    first, here = world.launch(ZONES[0]), world.launch(ZONES[1])
    used = world.hands().bring("data", world.target(first))
    world.hands().prove(used)
    world.end(first.id)
    world.meanwhile = world.finish_snapshots
    made = world.hands().bring_to_zone("data", here.zone)
    elsewhere = world.launch(ZONES[0])
    calls: list[int] = []

    def after_the_entries_were_read() -> None:
        calls.append(1)
        if len(calls) != 2:
            return
        world.meanwhile = lambda: None
        for _ in range(2):  # it goes to another zone, unused as it is, and so long ago that its snapshot counts
            drive, place = world.hands().look("data", world.target(elsewhere))
            world.hands().do(drive, plan.next_step(drive, place), world.target(elsewhere))
            world.clock.sleep(4000)
        door = VolumeDoor(world)  # and a driver that is killed before it looks again brings it here
        door.attach(made.id, here.id)
        door.tag(made.id, {MARK: "2:late", MARKED_FOR: here.id})

    world.meanwhile = after_the_entries_were_read
    with pytest.raises(exception.UserMustAct, match=f"{made.id}, an older volume of the drive data"):
        world.hands(limit=20_000).bring("data", world.target(here))
