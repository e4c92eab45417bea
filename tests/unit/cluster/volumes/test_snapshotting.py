"""snapshotvolume: the file system stands still for EC2's answer, and never longer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster import snapshotting
from starcluster.cluster.snapshotting import CALL, take_snapshot, wait_stored
from starcluster.model import Snapshot, SnapshotState, Volume
from tests.fakes.ec2 import FakeEc2, fake_error
from tests.unit.cluster.volumes.conftest import Desk, Site

Make = Callable[..., Volume]


def test_it_stands_still_while_ec2_is_asked(site: Site, held: Make, desk: Desk, ec2: FakeEc2) -> None:
    volume = held()
    create, seen = ec2.snapshots.create, []

    def watched(*words: Any, **more: Any) -> Snapshot:
        seen.append(desk.frozen)
        return create(*words, **more)

    ec2.snapshots.create = watched  # type: ignore[method-assign]
    made = take_snapshot(site, volume, description="d", tags={"k": "v"})
    assert (seen, desk.done) == (["/data"], ["master: freeze /data", "master: thaw /data"])
    assert (made.description, made.tags["k"]) == ("d", "v")
    assert wait_stored(site, made).state is SnapshotState.COMPLETED


def test_a_free_volume_needs_nobody(site: Site, make: Make, desk: Desk) -> None:
    take_snapshot(site, make())
    assert desk.done == []


def test_a_system_is_never_held_still(site: Site, held: Make, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    take_snapshot(site, held(path="/"))
    assert desk.done == []
    assert "holds the system of master" in caplog.text


def test_it_goes_on_whatever_ec2_says(site: Site, held: Make, desk: Desk, ec2: FakeEc2) -> None:
    ec2.fail_next("snapshots.create", fake_error("UnauthorizedOperation"))
    with pytest.raises(exception.PermissionDenied):
        take_snapshot(site, held())
    assert (desk.done[-1], desk.frozen) == ("master: thaw /data", "")


def test_what_can_not_stand_still_is_taken_all_the_same(
    site: Site, held: Make, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.freezes = False
    take_snapshot(site, held())
    assert "can not stand still: not supported" in caplog.text


def test_a_watchdog_that_was_faster_is_told(
    site: Site, held: Make, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.watchdog_is_faster = True
    take_snapshot(site, held())
    assert "as after a power cut" in caplog.text


def test_a_machine_that_is_not_reached_is_told(
    site: Site, held: Make, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.away.add("master")
    take_snapshot(site, held())
    assert "can not be reached" in caplog.text
    assert desk.done == []


def test_ec2s_15_seconds_are_waited_for_without_standing_still(
    site: Site, held: Make, desk: Desk, ec2: FakeEc2
) -> None:
    volume = held()
    ec2.fail_next("snapshots.create", fake_error("SnapshotCreationPerVolumeRateExceeded"), times=2)
    begin = site.clock.monotonic()
    sleep, still = site.clock.sleep, []

    def slept(seconds: float) -> None:
        still.append(desk.frozen)
        sleep(seconds)

    site.clock.sleep = slept  # type: ignore[method-assign]
    take_snapshot(site, volume)
    assert site.clock.monotonic() - begin >= 30
    assert set(still) == {""}
    assert len(ec2.snapshots.all) == 1


def test_a_snapshot_whose_answer_was_lost_is_not_made_twice(site: Site, held: Make, ec2: FakeEc2) -> None:
    volume = held()
    create = ec2.snapshots.create

    def lost(*words: Any, **more: Any) -> None:
        create(*words, **more)
        raise fake_error("ServiceUnavailable")

    ec2.snapshots.create = lost  # type: ignore[method-assign,assignment]
    made = take_snapshot(site, volume)
    assert list(ec2.snapshots.all) == [made.id]
    assert made.tags[CALL]


def test_trouble_without_end_is_told(site: Site, make: Make, ec2: FakeEc2) -> None:
    volume = make()
    ec2.fail_next("snapshots.create", fake_error("ServiceUnavailable"), times=99)
    with pytest.raises(exception.TransientError):
        take_snapshot(site, volume)
    assert ec2.count("snapshots.create") == 6


def test_a_snapshot_that_fails_is_told(site: Site, make: Make, ec2: FakeEc2) -> None:
    made = take_snapshot(site, make())
    ec2.snapshots.spoil(made.id, "the key is gone")
    with pytest.raises(exception.ConflictError, match="failed: the key is gone") as caught:
        wait_stored(site, made)
    assert f"removesnapshot {made.id}" in caught.value.hint


def test_progress_fills_no_log(site: Site, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    made, tell = take_snapshot(site, make()), snapshotting._teller()
    caplog.clear()
    for progress in range(0, 100, 6):
        tell(dataclasses.replace(made, state=SnapshotState.PENDING, progress=progress))
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["0 %", "30 %", "54 %", "78 %"]


def test_progress_is_told_in_steps(site: Site, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    made = take_snapshot(site, make())
    wait_stored(site, made)
    assert f"Snapshot {made.id}: 50 %" in caplog.text
