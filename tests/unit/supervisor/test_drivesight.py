"""What a look sees of drives, against EC2 in memory; and what the driver then does, from look to act."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from starcluster import exception
from starcluster.agent import drain
from starcluster.cluster.costs import Meter
from starcluster.cluster.drives.drive import Form
from starcluster.model import Instance, InstanceState, Market, Pool, SnapshotState, SpotPrice, VolumeState
from starcluster.supervisor import driverules
from starcluster.supervisor.drivesight import KEEPING, DriveSight
from starcluster.supervisor.drivewishes import DriveWish
from starcluster.supervisor.look import DriveLook
from starcluster.supervisor.memory import Memory
from tests.fakes.ec2 import fake_error
from tests.unit.cluster.drives.world import InstanceDoor, World
from tests.unit.supervisor.stage import Scene
from tests.unit.supervisor.world import wish

DATA = wish(drives=(DriveWish(name="data", path="/data"),))


class Seen:
    """A drive in a world of its own, and what a look shows of it."""

    def __init__(self) -> None:
        self.world = World()
        self.memory = Memory(self.world.clock)
        self.calls = 0
        self.node: Instance | None = None

    def look(self, instances: list[Instance] | None = None) -> DriveLook:
        sight = DriveSight(self.world.records, InstanceDoor(self.world), memory=self.memory, clock=self.world.clock)
        mine = [self.node] if self.node else []
        (found,) = sight.look([DATA], instances if instances is not None else mine)["mynode"]
        return found

    def mounted(self) -> Form:
        self.world.records.create("data", shape={"size": 7}, keep="")
        self.node = self.world.launch("us-east-1a")
        return self.world.hands().bring("data", self.world.target(self.node))


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_a_drive_that_can_not_be_read_hides_no_other(seen: Seen, capsys: pytest.CaptureFixture[str]) -> None:
    records = seen.world.records
    records.create("data", shape={"size": 7}, keep="")
    records.create("other", shape={"size": 8}, keep="")
    (template,) = [one.id for one in seen.world.made_templates.values() if one.tags["@sc-drive"] == "data"]
    seen.world.made_templates[template] = replace(
        seen.world.made_templates[template], tags={"@sc-drive": "data", "@sc-schema": "99"}
    )
    both = wish(drives=(*DATA.drives, DriveWish(name="other", path="/other")))
    sight = DriveSight(records, InstanceDoor(seen.world), memory=seen.memory, clock=seen.world.clock)
    broken, fine = sight.look([both], [])["mynode"]
    assert "has schema 99" in broken.broken
    assert "update starcluster-spot" in broken.broken
    assert fine == DriveLook(name="other", size=8)
    assert [one.record.name for one in records.all()] == ["other"]
    assert "WARNING - drive data: " in capsys.readouterr().out


def test_a_drive_that_is_not_there_and_one_that_is_new(seen: Seen) -> None:
    assert seen.look() == DriveLook(name="data", exists=False)
    seen.world.records.create("data", shape={"size": 7}, keep="")
    assert seen.look() == DriveLook(name="data", size=7)


def test_without_drives_nothing_is_asked(seen: Seen) -> None:
    def called() -> None:
        raise AssertionError("EC2 was asked")

    seen.world.meanwhile = called
    sight = DriveSight(seen.world.records, InstanceDoor(seen.world), memory=seen.memory, clock=seen.world.clock)
    assert sight.look([wish()], []) == {}


def test_one_in_use_and_one_whose_node_has_died(seen: Seen) -> None:
    form = seen.mounted()
    found = seen.look()
    assert (found.zone, found.volume_id, found.used) == ("us-east-1a", form.id, True)
    assert seen.node is not None
    assert (found.holder, found.holder_lives, found.unsaved) == (seen.node.id, True, False)
    dead = replace(seen.node, state=InstanceState.SHUTTING_DOWN)
    assert seen.node.id in found.holder_name
    assert seen.node.alias in found.holder_name
    assert not seen.look([dead]).holder_lives
    assert seen.look([]).holder_lives, "a stranger is asked for"
    seen.world.free(form.id)
    freed = seen.look()
    assert (freed.holder, freed.unsaved, freed.whole) == ("", True, False)


def test_snapshots_and_their_ages(seen: Seen) -> None:
    form = seen.mounted()
    seen.world.clock.sleep(600)
    assert seen.look().unkept_for == 600, "since the volume was made"
    seen.world.free(form.id)
    hands, record = seen.world.hands(), seen.world.records.get("data").record
    present = seen.world.records.get("data").present
    assert present is not None
    made = hands.take_snapshot(record, present, at_rest=True)
    seen.world.clock.sleep(60)
    pending = seen.look()
    assert (pending.pending, pending.whole, pending.unsaved) == (True, False, False)
    assert (pending.newest, pending.unkept_for) == ("", 60)
    seen.world.finish_snapshots()
    done = seen.look()
    assert (done.pending, done.whole, done.newest, done.newest_age) == (False, True, made.id, 60)
    seen.world.made_snapshots[made.id] = replace(seen.world.made_snapshots[made.id], state=SnapshotState.ERROR)
    failed = seen.look()
    assert (failed.whole, failed.unsaved, failed.unkept_for) == (False, True, 660)


def test_while_nobody_has_the_drive_no_more_work_is_lost(seen: Seen) -> None:
    """Or a node that may leave some work behind would wait for ever, as more seems lost with each minute of waiting."""
    form = seen.mounted()
    record, present = seen.world.records.get("data").record, seen.world.records.get("data").present
    assert present is not None
    seen.world.hands().take_snapshot(record, present, at_rest=False)
    seen.world.finish_snapshots()
    seen.world.clock.sleep(100)
    assert seen.look().newest_age == 100
    seen.world.free(form.id)
    assert seen.look().newest_age == 100
    seen.world.clock.sleep(500)
    assert seen.look().newest_age == 100


def test_one_that_rests_as_a_snapshot(seen: Seen) -> None:
    form = seen.mounted()
    seen.world.free(form.id)
    present = seen.world.records.get("data").present
    assert present is not None
    made = seen.world.hands().take_snapshot(seen.world.records.get("data").record, present, at_rest=True)
    seen.world.finish_snapshots()
    seen.world.made_volumes[form.id] = replace(seen.world.made_volumes[form.id], state=VolumeState.DELETED)
    found = seen.look()
    assert (found.zone, found.volume_id, found.newest, found.used) == ("", "", made.id, True)
    assert (found.whole, found.unsaved, found.size) == (False, False, 7)


def test_after_a_snapshot_that_failed_it_is_left_alone_for_a_while(seen: Seen) -> None:
    seen.mounted()
    seen.memory.leave_alone(KEEPING, "data", seconds=300)
    assert seen.look().resting
    seen.world.clock.sleep(301)
    assert not seen.look().resting


def test_ages_are_ec2_s_seconds(seen: Seen) -> None:
    seen.mounted()
    seen.world.clock.sleep(10)
    seen.world.clock.scale = 30.0
    assert seen.look().unkept_for == 300


# from look to act


class Stage(Scene):
    """A driver whose drives live in a world beside the fake EC2."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.world = World(clock=self.clock)  # type: ignore[arg-type]
        self.drives = self.world.records


@pytest.fixture
def scene(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_the_drive_comes_with_the_set_up(scene: Stage) -> None:
    driver = scene.driver(DATA)
    scene.rounds(driver, 8)
    (node,) = scene.alive()
    assert scene.machines.brought == [(node.id, "data", "/data")]


def test_a_drive_that_only_the_user_can_free_ends_the_driver_s_part(scene: Stage) -> None:
    scene.machines.fail_set_up = [exception.UserMustAct("data is elsewhere", hint="detach it")]
    driver = scene.driver(DATA)
    scene.rounds(driver, 8)
    hold = driver.sites[0].holds["mynode"]
    assert "the set-up of" in hold.because
    assert "data is elsewhere" in hold.because
    assert hold.hint == "detach it\nit still runs and costs: starcluster removenode mycluster mynode ends it"


def end_with_a_free_drive(scene: Stage) -> None:
    """The command ends, and its drive is free then."""
    driver = scene.driver(DATA)
    scene.rounds(driver, 8)
    scene.world.records.create("data", shape={"size": 7}, keep="")
    node = scene.world.launch("us-east-1a")
    scene.world.free(scene.world.hands().bring("data", scene.world.target(node)).id)
    scene.agent().end(0)
    scene.rounds(driver, 8)
    assert not driver.sites[0].wishes, "the name is done with"


def test_a_free_drive_is_kept_once_at_the_end(scene: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def keep(name: str) -> str:
        drive = scene.world.records.get(name)
        assert drive.present is not None
        scene.machines.kept.append(name)
        return scene.world.hands().take_snapshot(drive.record, drive.present, at_rest=True).id

    monkeypatch.setattr(scene.machines, "keep_drive", keep)
    end_with_a_free_drive(scene)
    assert scene.machines.kept == ["data"]


def test_a_snapshot_that_can_not_be_had_stops_nothing(scene: Stage, caplog: pytest.LogCaptureFixture) -> None:
    scene.machines.fail_keep = [fake_error("SnapshotLimitExceeded")]
    end_with_a_free_drive(scene)
    assert scene.machines.kept == []
    assert "no snapshot of drive data" in caplog.text


def test_how_long_ago_a_checkpoint_went_well(scene: Stage) -> None:
    driver = scene.driver(DATA)
    scene.rounds(driver, 8)

    def age(*stamps: tuple[float, object]) -> float:
        at = scene.clock.now().timestamp()
        scene.agent().stamps = [
            {"event": driverules.CHECKPOINT, "at": at - ago, "exit": status} for ago, status in stamps
        ]
        scene.agent().seq += 1
        return driver.sites[0].observer.look(driver.sites[0].wishes).names["mynode"].checkpoint_age

    assert age() == -1
    assert age((20, 1), (30, None)) == -1, "none of them went well"
    assert age((90, 0), (40, 0), (20, 1)) == pytest.approx(40)
    assert f'"{driverules.CHECKPOINT}"' in Path(drain.__file__).read_text(), "the agent's own word for it"


def test_prices_are_asked_only_where_there_is_a_choice(scene: Stage) -> None:
    asked: list[object] = []
    driver = scene.driver(replace(DATA, zones=("us-east-1a",)))
    driver.sites[0].observer._price_in = lambda pool: asked.append(pool)  # type: ignore[func-returns-value]
    scene.rounds(driver, 2)
    assert asked == []
    both = scene.driver(replace(DATA, zones=("us-east-1a", "us-east-1b")), me="other@here:1:1")
    both.sites[0].observer._price_in = lambda pool: 0.5 if pool.zone == "us-east-1a" else None
    look = both.sites[0].observer.look(both.sites[0].wishes)
    assert {pool.zone for pool in look.prices} == {"us-east-1a"}
    assert len(look.prices) == 2, "on demand too: it tells what an hour is worth"


def test_a_meter_tells_the_price_of_a_pool(scene: Stage) -> None:
    spot = Pool(instance_type="c5.large", zone="us-east-1a", market=Market.SPOT)
    price = SpotPrice(at=scene.clock.now(), price=0.04, zone="us-east-1a", instance_type="c5.large")
    told: list[list[SpotPrice] | Exception] = [[price], fake_error("RequestLimitExceeded")]

    def history(*words: object) -> list[SpotPrice]:
        answer = told.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    doors = SimpleNamespace(spot=SimpleNamespace(history=history), prices=SimpleNamespace(on_demand=lambda kind: 0.085))
    meter = Meter(doors, scene.clock)
    assert meter.price_in(spot) == 0.04
    assert meter.price_in(replace(spot, market=Market.ON_DEMAND)) == 0.085
    assert meter.price_in(replace(spot, zone="us-east-1b")) is None
