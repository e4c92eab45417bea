"""EBS: states, attachments, refusals, snapshots, growth."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.localcloud.api.conftest import Api, code_of, until

ZONE = "us-east-1a"


def make(api: Api, **changes: Any) -> str:
    wanted = {"AvailabilityZone": ZONE, "Size": 1, "VolumeType": "gp3"}
    volume_id: str = api.ec2.create_volume(**{**wanted, **changes})["VolumeId"]
    until(lambda: api.volume(volume_id)["State"] == "available")
    return volume_id


def node(api: Api, zone: str = ZONE) -> str:
    return api.running(Placement={"AvailabilityZone": zone})


def attached(api: Api, volume_id: str) -> str:
    return str(api.volume(volume_id)["Attachments"][0]["State"])


def attach(api: Api, volume_id: str, instance_id: str, device: str = "/dev/sdf") -> None:
    api.ec2.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device=device)
    until(lambda: attached(api, volume_id) == "attached")


def test_creating_then_available(api: Api) -> None:
    made = api.ec2.create_volume(AvailabilityZone=ZONE, Size=3)
    assert (made["State"], made["VolumeType"], made["Size"]) == ("creating", "gp2", 3)
    until(lambda: api.volume(made["VolumeId"])["State"] == "available")
    assert api.hosts.volumes[made["VolumeId"]] == 3


def test_attach_and_detach(api: Api) -> None:
    volume_id, instance_id = make(api), node(api)
    told = api.ec2.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device="/dev/sdf")
    assert told["State"] == "attaching"
    assert api.volume(volume_id)["State"] == "in-use"
    until(lambda: attached(api, volume_id) == "attached")
    assert api.volume(volume_id)["Attachments"][0]["DeleteOnTermination"] is False
    assert api.hosts.attached[volume_id] == instance_id
    told = api.ec2.detach_volume(VolumeId=volume_id)
    assert told["State"] == "detaching"
    until(lambda: api.volume(volume_id)["State"] == "available")
    assert api.volume(volume_id)["Attachments"] == []
    assert volume_id not in api.hosts.attached


def test_a_mounted_volume_stays_busy(api: Api) -> None:
    volume_id, instance_id = make(api), node(api)
    attach(api, volume_id, instance_id)
    api.hosts.mounted.add(volume_id)
    api.ec2.detach_volume(VolumeId=volume_id)
    until(lambda: attached(api, volume_id) == "busy")
    assert api.volume(volume_id)["State"] == "in-use"
    api.hosts.mounted.discard(volume_id)
    until(lambda: api.volume(volume_id)["State"] == "available")


def test_force_takes_a_mounted_volume(api: Api) -> None:
    volume_id, instance_id = make(api), node(api)
    attach(api, volume_id, instance_id)
    api.hosts.mounted.add(volume_id)
    api.ec2.detach_volume(VolumeId=volume_id)
    api.ec2.detach_volume(VolumeId=volume_id, Force=True)
    until(lambda: api.volume(volume_id)["State"] == "available")
    api.hosts.mounted.discard(volume_id)


def test_what_attach_refuses(api: Api) -> None:
    volume_id, instance_id, other = make(api), node(api), node(api)
    far, second = node(api, "us-east-1b"), make(api)
    call = api.ec2.attach_volume
    assert code_of(call, VolumeId=volume_id, InstanceId=far, Device="/dev/sdf") == "InvalidVolume.ZoneMismatch"
    assert code_of(call, VolumeId=volume_id, InstanceId=instance_id, Device="sdf") == "InvalidParameterValue"
    pending = api.run(Placement={"AvailabilityZone": ZONE})
    assert code_of(call, VolumeId=volume_id, InstanceId=pending, Device="/dev/sdf") == "IncorrectState"
    attach(api, volume_id, instance_id)
    assert code_of(call, VolumeId=volume_id, InstanceId=other, Device="/dev/sdf") == "VolumeInUse"
    assert code_of(call, VolumeId=second, InstanceId=instance_id, Device="/dev/sdf") == "InvalidParameterValue"
    missing = "vol-0123456789abcdef0"
    assert code_of(call, VolumeId=missing, InstanceId=instance_id, Device="/dev/sdg") == "InvalidVolume.NotFound"
    assert code_of(api.ec2.delete_volume, VolumeId=volume_id) == "VolumeInUse"


def test_what_detach_refuses(api: Api) -> None:
    volume_id, instance_id = make(api), node(api)
    assert code_of(api.ec2.detach_volume, VolumeId=volume_id) == "IncorrectState"
    attach(api, volume_id, instance_id)
    wrong = {"VolumeId": volume_id, "InstanceId": "i-0123456789abcdef0"}
    assert code_of(api.ec2.detach_volume, **wrong) == "InvalidAttachment.NotFound"
    root = api.instance(instance_id)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    assert code_of(api.ec2.detach_volume, VolumeId=root) == "OperationNotPermitted"


def test_a_volume_is_free_only_when_its_instance_is_terminated(api: Api) -> None:
    volume_id, instance_id = make(api), node(api)
    attach(api, volume_id, instance_id)
    api.ec2.terminate_instances(InstanceIds=[instance_id])
    assert api.volume(volume_id)["State"] == "in-use"
    api.ec2.detach_volume(VolumeId=volume_id)
    api.wait(instance_id, "terminated")
    assert api.volume(volume_id)["State"] == "available"


def test_volumes_come_back_with_a_restart(api: Api) -> None:
    volume_id, instance_id = make(api), node(api)
    attach(api, volume_id, instance_id)
    api.ec2.stop_instances(InstanceIds=[instance_id])
    api.wait(instance_id, "stopped")
    assert api.volume(volume_id)["State"] == "in-use"
    assert volume_id not in api.hosts.attached
    api.ec2.start_instances(InstanceIds=[instance_id])
    api.wait(instance_id, "running")
    assert api.hosts.attached[volume_id] == instance_id


def test_attach_to_a_stopped_instance(api: Api) -> None:
    volume_id, instance_id = make(api), node(api)
    api.ec2.stop_instances(InstanceIds=[instance_id])
    api.wait(instance_id, "stopped")
    attach(api, volume_id, instance_id)
    assert volume_id not in api.hosts.attached
    api.ec2.start_instances(InstanceIds=[instance_id])
    api.wait(instance_id, "running")
    assert api.hosts.attached[volume_id] == instance_id


def test_detach_from_a_stopped_instance(api: Api) -> None:
    volume_id, instance_id = make(api), node(api)
    attach(api, volume_id, instance_id)
    api.ec2.stop_instances(InstanceIds=[instance_id])
    api.wait(instance_id, "stopped")
    api.ec2.detach_volume(VolumeId=volume_id)
    until(lambda: api.volume(volume_id)["State"] == "available")
    assert ("detach", instance_id, volume_id) in api.hosts.asked
    api.ec2.start_instances(InstanceIds=[instance_id])
    api.wait(instance_id, "running")
    assert volume_id not in api.hosts.attached


SHAPES = [
    ({"Size": 0}, "InvalidParameterValue"),
    ({"Size": 70000}, "InvalidParameterValue"),
    ({"Size": None}, "MissingParameter"),
    ({"VolumeType": "gp9"}, "UnknownVolumeType"),
    ({"Iops": 100_000}, "InvalidParameterValue"),
    ({"Size": 10, "Iops": 6000}, "InvalidParameterValue"),
    ({"Throughput": 2000}, "InvalidParameterValue"),
    ({"VolumeType": "gp2", "Throughput": 200}, "InvalidParameterCombination"),
    ({"VolumeType": "io2", "Size": 10}, "MissingParameter"),
    ({"AvailabilityZone": "us-east-1z"}, "InvalidZone.NotFound"),
    ({"SnapshotId": "snap-0123456789abcdef0"}, "InvalidSnapshot.NotFound"),
    ({"DryRun": True}, "DryRunOperation"),
]


@pytest.mark.parametrize(("changes", "code"), SHAPES)
def test_refused_shapes(api: Api, changes: dict[str, Any], code: str) -> None:
    wanted = {"AvailabilityZone": ZONE, "Size": 1, "VolumeType": "gp3", **changes}
    asked = {name: value for name, value in wanted.items() if value is not None}
    assert code_of(api.ec2.create_volume, **asked) == code


def test_a_full_disk_is_told(api: Api) -> None:
    before = set(api.cloud.backend.volumes)
    api.hosts.broken.add("create_volume")
    try:
        wanted = {"AvailabilityZone": ZONE, "Size": 1}
        assert code_of(api.ec2.create_volume, **wanted) == "InsufficientVolumeCapacity"
    finally:
        api.hosts.broken.clear()
    assert set(api.cloud.backend.volumes) == before


def test_token(api: Api) -> None:
    first = make(api, ClientToken="vol-token")
    assert make(api, ClientToken="vol-token") == first
    wanted = {"AvailabilityZone": ZONE, "Size": 2, "VolumeType": "gp3", "ClientToken": "vol-token"}
    assert code_of(api.ec2.create_volume, **wanted) == "IdempotentParameterMismatch"


def test_snapshot_and_volume_from_it(api: Api) -> None:
    volume_id = make(api, Size=2)
    tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "Name", "Value": "s"}]}]
    with api.held("snapshot"):
        pending = api.ec2.create_snapshot(VolumeId=make(api))["SnapshotId"]
        assert code_of(api.ec2.create_volume, AvailabilityZone=ZONE, SnapshotId=pending) == "IncorrectState"
    made = api.ec2.create_snapshot(VolumeId=volume_id, TagSpecifications=tags)
    snapshot_id = made["SnapshotId"]
    assert made["State"] == "pending"
    assert api.hosts.snapshots[snapshot_id] == volume_id
    from_it = {"AvailabilityZone": ZONE, "SnapshotId": snapshot_id}

    def state() -> str:
        return str(api.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]["State"])

    until(lambda: state() == "completed")
    assert code_of(api.ec2.create_volume, Size=1, **from_it) == "InvalidParameterValue"
    copy = api.ec2.create_volume(**{**from_it, "AvailabilityZone": "us-east-1b"})
    assert copy["Size"] == 2
    own = api.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert snapshot_id in {each["SnapshotId"] for each in own}
    api.ec2.delete_snapshot(SnapshotId=snapshot_id)
    assert snapshot_id not in api.hosts.snapshots
    assert code_of(api.ec2.delete_snapshot, SnapshotId=snapshot_id) == "InvalidSnapshot.NotFound"


def test_a_volume_that_still_grows_grows_no_further(api: Api) -> None:
    with api.held("optimize_volume"):
        volume_id = make(api)
        api.ec2.modify_volume(VolumeId=volume_id, Size=4)
        assert code_of(api.ec2.modify_volume, VolumeId=volume_id, Size=5) == "IncorrectModificationState"


def test_growth(api: Api) -> None:
    volume_id = make(api)
    change = api.ec2.modify_volume(VolumeId=volume_id, Size=4)["VolumeModification"]
    assert (change["ModificationState"], change["OriginalSize"], change["TargetSize"]) == ("modifying", 1, 4)
    assert api.hosts.volumes[volume_id] == 4

    def state() -> str:
        told = api.ec2.describe_volumes_modifications(VolumeIds=[volume_id])["VolumesModifications"]
        return str(told[0]["ModificationState"])

    until(lambda: state() == "completed")
    assert api.volume(volume_id)["Size"] == 4
    assert code_of(api.ec2.modify_volume, VolumeId=volume_id, Size=2) == "InvalidParameterValue"
