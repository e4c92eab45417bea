"""resizevolume: what EC2 is asked for, where the file system grows, and what is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster.growing import GrowWish, resize_volume
from starcluster.model import ModificationState, Volume
from tests.fakes.ec2 import FakeEc2, fake_error
from tests.unit.cluster.volumes.conftest import HOST, Desk, Site
from tests.unit.cluster.volumes.killing import kills

Make = Callable[..., Volume]


def wish(volume: Volume, size: int, **words: Any) -> GrowWish:
    return GrowWish(volume=volume.id, size=size, host=HOST, **words)


def asked(ec2: FakeEc2) -> int:
    return ec2.count("volumes.modify")


def test_it_grows_where_it_is_mounted(site: Site, held: Make, desk: Desk, ec2: FakeEc2) -> None:
    volume = held()
    assert resize_volume(site, wish(volume, 5)).size == 5
    assert desk.done == ["master: growpart", "master: grow"]
    assert ec2.volumes.all[volume.id].holder


def test_a_free_volume_grows_on_a_node_that_runs(site: Site, make: Make, desk: Desk, ec2: FakeEc2) -> None:
    volume = make()
    resize_volume(site, wish(volume, 5))
    assert desk.done == ["master: growpart", "master: grow"]
    assert ec2.volumes.all[volume.id].holder is None
    assert ec2.count("instances.launch") == 2  # those of the cluster


def test_a_second_run_goes_on_with_the_file_system(site: Site, make: Make, desk: Desk, ec2: FakeEc2) -> None:
    volume = make(5)
    resize_volume(site, wish(volume, 5, command="mygrow"))
    assert (asked(ec2), desk.done) == (0, ["master: growpart", "master: grow mygrow"])


def test_a_run_that_comes_while_ec2_is_at_work_waits(site: Site, make: Make, desk: Desk, ec2: FakeEc2) -> None:
    volume = make()
    ec2.volumes.modify(volume.id, size=5)
    resize_volume(site, wish(volume, 5))
    assert (asked(ec2), desk.done[-1]) == (1, "master: grow")


def test_kind_and_speed_change_alone(site: Site, held: Make, ec2: FakeEc2) -> None:
    volume = held(size=10)
    done = resize_volume(site, wish(volume, 10, iops=4000, throughput=1000))
    assert (done.size, done.iops, done.throughput) == (10, 4000, 1000)
    assert ec2.volumes.changes[volume.id].iops == 4000


@pytest.mark.parametrize(
    ("size", "words", "said"),
    [
        (1, {}, "has 2 GB and EBS volumes never become smaller"),
        (2, {"kind": "st1"}, "have 125 to 16384 GB"),
        (2, {"kind": "gp9"}, "no kind of volume 'gp9'"),
        (2, {"throughput": 1000}, "too much for 3000 IOPS"),
        (2, {"iops": 5000}, "too many for 2 GB"),
    ],
)
def test_what_can_not_be_is_refused_first(
    site: Site, make: Make, ec2: FakeEc2, size: int, words: dict[str, Any], said: str
) -> None:
    volume = make(2)
    with pytest.raises(exception.UserMustAct, match=said):
        resize_volume(site, wish(volume, size, **words))
    assert asked(ec2) == 0


def test_an_answer_that_was_lost_is_looked_up(site: Site, held: Make, desk: Desk, ec2: FakeEc2) -> None:
    volume = held()
    modify = ec2.volumes.modify

    def lost(*words: Any, **more: Any) -> None:
        modify(*words, **more)
        raise fake_error("ServiceUnavailable")

    ec2.volumes.modify = lost  # type: ignore[method-assign,assignment]
    assert resize_volume(site, wish(volume, 5)).size == 5
    assert desk.done[-1] == "master: grow"


def test_a_question_that_was_not_heard_is_told(site: Site, held: Make, desk: Desk, ec2: FakeEc2) -> None:
    ec2.fail_next("volumes.modify", fake_error("ServiceUnavailable"))
    with pytest.raises(exception.TransientError):
        resize_volume(site, wish(held(), 5))
    assert desk.done == []


def test_a_change_that_ec2_gives_up_is_told(site: Site, held: Make, desk: Desk, ec2: FakeEc2) -> None:
    volume = held()
    modification = ec2.volumes.modification

    def failing(volume_id: str) -> Any:
        found = modification(volume_id)
        return found and dataclasses.replace(found, state=ModificationState.FAILED, message="no room")

    ec2.volumes.modification = failing  # type: ignore[method-assign]
    with pytest.raises(exception.ConflictError, match=r"could not change .*: no room"):
        resize_volume(site, wish(volume, 5))
    assert desk.done == []


def test_on_a_machine_that_is_not_reached_the_rest_is_told(
    site: Site, held: Make, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.away.add("node001")
    volume = held(alias="node001")
    assert resize_volume(site, wish(volume, 5)).size == 5
    assert desk.done == []
    assert "resize2fs" in caplog.text


def test_what_is_no_file_system_is_left(site: Site, make: Make, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    resize_volume(site, wish(make(holds="LVM2_member"), 5))
    assert "holds LVM2_member, which is left as it is" in caplog.text


def test_after_a_kill_at_any_call_the_next_run_ends_right(site: Site, make: Make, desk: Desk, ec2: FakeEc2) -> None:
    volume = make()
    size = 1

    def grow(_: str) -> None:
        nonlocal size
        size += 1
        resize_volume(site, wish(volume, size))

    points = 0
    for name in kills(grow, ec2):
        points += 1
        desk.done.clear()
        done = resize_volume(site, wish(volume, size))
        assert (done.size, done.holder, done.tags) == (size, None, {}), name
        assert desk.done == ["master: growpart", "master: grow"], name
        ec2.advance(100)
        ec2.advance(100)
    assert points > 20
