"""What goes wrong under a drive's verbs: nothing that was written is lost, and a sentence says what to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from starcluster.localcloud.scenario.play import Play, RealWorld
from starcluster.localcloud.scenario.script import read
from tests.rehearsal.crash.drivestage import Arena
from tests.rehearsal.stage import may_grow_ext4
from tests.rehearsal.train.conftest import TAG, started, until

HERE, THERE = "us-east-1a", "us-east-1b"
pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with started(Arena(tmp_path_factory.mktemp("faults"), speed=200)) as made:
        yield made


@pytest.fixture
def data(stage: Arena) -> Iterator[Arena]:
    """With a drive of its own that was written to, mounted on the master."""
    stage.drive_anew()
    yield stage
    stage.clear_up()


@contextmanager
def meanwhile(stage: Arena, line: str) -> Iterator[None]:
    """A line of a scenario is carried out."""
    play = Play(read(line), RealWorld(stage.cloud))
    errors: list[str] = []
    thread = threading.Thread(target=lambda: errors.extend(told.error for told in play.run() if told.error))
    thread.start()
    try:
        yield
    finally:
        play.steps_left.clear()
        thread.join(20)
    assert not thread.is_alive()
    assert errors == []


def there_again(stage: Arena) -> None:
    """The node that was taken is launched anew."""
    until(lambda: not stage.alive("far"), "the end of the node", limit=20)
    stage.do("removenode", "-c", TAG, "far", expect=None)
    stage.do("addnode", "-a", "far", "-z", THERE, "-b", "1", TAG)


def taken(stage: Arena) -> bool:
    return not stage.alive("far")


def stranger(stage: Arena, zone: str) -> Any:
    """An instance that is nobody's node."""
    image = stage.ec2().describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    launched = stage.ec2().run_instances(
        ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1, Placement={"AvailabilityZone": zone}
    )["Instances"][0]["InstanceId"]
    stage.ec2().get_waiter("instance_running").wait(InstanceIds=[launched], WaiterConfig={"Delay": 1})
    return launched


def test_a_volume_at_an_instance_that_nobody_knows(data: Arena) -> None:
    data.detach()
    [volume] = [one["VolumeId"] for one in data.forms()]
    unknown = stranger(data, HERE)
    data.ec2().attach_volume(VolumeId=volume, InstanceId=unknown, Device="/dev/sdf")
    until(lambda: data.shown()["used_by"], "the attachment", limit=10)
    for words in (data.to(HERE), data.to(THERE), ("move", data.name, THERE), ("remove", "-c", data.name)):
        told = data.do("drive", *words, expect=None)
        assert "in use" in told, told
        assert unknown in told, told
        assert f"starcluster drive detach {data.name}" in told, told
    assert f"{unknown} (no name), an instance of no cluster" in data.drive("detach", expect=1)
    data.ec2().terminate_instances(InstanceIds=[unknown])
    data.attach(THERE)
    data.read()


def test_a_damaged_file_system_is_not_written_to(data: Arena) -> None:
    data.detach()
    data.attach(THERE)
    root = f"disk=$(df --output=source {data.path} | tail -n1); umount {data.path}; debugfs -w -R 'clri <2>' $disk 2>&1"
    data.on(THERE, root)
    told = data.do("drive", *data.to(THERE), expect=1)
    assert "is damaged and is not mounted" in told
    assert f"stays attached to far: starcluster drive detach {data.name}" in told
    assert "fsck -n /dev/" in told
    assert data.shown()["forks"] == []


def test_what_was_synced_survives_sudden_death(data: Arena) -> None:
    data.detach()
    data.attach(THERE)
    data.write()
    data.interrupt("far", notice=0)
    there_again(data)
    data.attach(HERE)
    data.read()
    assert data.shown()["forks"] == []


def test_a_quota_of_volumes_that_is_used_up(data: Arena) -> None:
    data.detach()
    data.control("fault", action="CreateVolume", code="VolumeLimitExceeded", times=100)
    told = data.do("drive", *data.to(THERE), expect=1)
    assert "VolumeLimitExceeded" in told, told
    assert "quota" in told.lower(), told
    data.control("clear")
    data.attach(THERE)
    data.read()
    assert len(data.forms()) == 2, "the one that was and the one that is"


def test_snapshots_that_ec2_refuses_or_can_not_store(data: Arena) -> None:
    data.control("fault", action="CreateSnapshot", code="SnapshotLimitExceeded", times=100)
    told = data.drive("snapshot", expect=1)
    assert "SnapshotLimitExceeded" in told, told
    data.read()
    data.detach()
    told = data.do("drive", *data.to(THERE), expect=1)
    assert "SnapshotLimitExceeded" in told, told
    data.control("clear")
    data.attach(THERE)
    data.read()


def test_a_snapshot_that_fails_while_it_is_taken(data: Arena) -> None:
    data.control("timing", snapshot=1_000_000)
    running = data.begin("drive", "snapshot", data.name)
    data.control("spoil", snapshot_id=until(lambda: pending(data), "the snapshot", limit=20))
    assert running.ends() == 1
    assert "failed: EC2 tells no reason" in running.text
    data.read()
    data.detach()
    running = data.begin("drive", *data.to(THERE))
    for _ in range(3):
        data.control("spoil", snapshot_id=until(lambda: pending(data), "the snapshot", limit=20))
    assert running.ends() == 1
    assert "could not store 3 snapshots" in running.text
    data.control("timing", **data.usual)
    assert len(data.drive("prune").split()) >= 4
    data.attach(THERE)
    data.read()


def pending(stage: Arena) -> str:
    wanted = [{"Name": "tag:@sc-drive", "Values": [stage.name]}, {"Name": "status", "Values": ["pending"]}]
    found = stage.ec2().describe_snapshots(Filters=wanted)["Snapshots"]
    return found[0]["SnapshotId"] if found else ""


def test_a_pending_snapshot_is_waited_for_and_a_restore_that_was_interrupted_goes_on(data: Arena) -> None:
    data.control("timing", snapshot=600)
    kept = data.drive("snapshot", "--no-wait").split()[-1]
    data.detach()
    words = ("drive", "restore", "-c", data.name, kept, THERE)
    first = data.begin(*words)
    until(lambda: "%" in first.text, "what it waits for", limit=20)
    first.kill()
    data.control("timing", **data.usual)
    data.do(*words)
    data.attach(THERE)
    data.read()


@pytest.mark.parametrize("notice", [0, 200])
@pytest.mark.parametrize("call", ["AttachVolume", "CreateTags"])
def test_a_node_that_is_taken_while_the_drive_comes_to_it(data: Arena, notice: int, call: str) -> None:
    data.detach()
    with meanwhile(data, f"after call 1 of {call}: interrupt {TAG}/far notice={notice}"):
        running = data.begin("drive", *data.to(THERE))
        status = running.ends()
        until(lambda: taken(data), "the end of the node", limit=30)
    assert "Traceback" not in running.text, running.text
    assert status in (0, 1), running.text
    there_again(data)
    data.attach(THERE)
    data.read()
    assert data.shown()["forks"] == []


@pytest.mark.parametrize("notice", [0, 200])
def test_a_node_that_is_taken_while_its_drive_is_kept(data: Arena, notice: int) -> None:
    data.detach()
    data.attach(THERE)
    data.write()
    with meanwhile(data, f"before call 1 of CreateSnapshot: interrupt {TAG}/far notice={notice}"):
        running = data.begin("drive", "snapshot", data.name)
        running.ends()
        until(lambda: taken(data), "the end of the node", limit=30)
    assert "Traceback" not in running.text, running.text
    there_again(data)
    data.attach(HERE)
    data.read()


def test_a_drive_follows_a_node_that_is_taken(data: Arena) -> None:
    data.detach()
    data.attach(THERE)
    data.write()
    data.interrupt("far", notice=200)
    assert "in use by" in data.drive("move", HERE, expect=1), "its node still runs"
    until(lambda: taken(data), "the end of the node", limit=20)
    data.drive("move", HERE)
    data.attach(HERE)
    data.read()
    there_again(data)


def test_a_node_that_is_taken_before_the_drive_has_a_file_system(data: Arena) -> None:
    data.detach()
    data.drive("remove", "-c")
    data.do("drive", "create", data.rename(), "1")
    with meanwhile(data, f"before command 1 of bash given mkfs.ext4: interrupt {TAG}/far notice=0"):
        running = data.begin("drive", *data.to(THERE))
        assert running.ends() == 1, running.text
    there_again(data)
    data.attach(HERE)
    data.write()
    data.read()


@pytest.mark.parametrize("notice", [0, 200])
@pytest.mark.parametrize("when", ["after call 1 of ModifyVolume", "before command 1 of bash given resize2fs"])
def test_a_node_that_is_taken_while_its_drive_grows(data: Arena, when: str, notice: int) -> None:
    data.detach()
    data.attach(THERE)
    data.write()
    [volume] = [one["VolumeId"] for one in data.forms() if one["Attachments"]]
    with meanwhile(data, f"{when}: interrupt {TAG}/far notice={notice}"):
        running = data.begin("resizevolume", volume, "2")
        status = running.ends()
        until(lambda: taken(data), "the end of the node", limit=30)
    assert "Traceback" not in running.text, running.text
    assert status in (0, 1), running.text
    there_again(data)
    data.attach(THERE)
    data.read()
    if not may_grow_ext4():  # while it is mounted; it is told so
        assert "Permission denied" in data.do("resizevolume", volume, "2", expect=1)
        data.detach()
    data.do("resizevolume", volume, "2")
    data.attach(THERE)
    blocks = int(data.on(THERE, f"df --output=size -k {data.path}").split()[-1])
    assert blocks > 1.8 * 2**20, blocks
    data.write()
    data.read()
