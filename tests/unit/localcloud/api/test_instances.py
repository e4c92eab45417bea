"""Instances: their states, addresses, reasons, tokens, and what EC2 refuses."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from botocore.exceptions import ClientError

from starcluster.localcloud.api.images import STOCK
from tests.unit.localcloud.api.conftest import ARM, UBUNTU, Api, code_of, until


def test_life_from_pending_to_terminated(api: Api) -> None:
    answer = api.ec2.run_instances(ImageId=UBUNTU, InstanceType="m5.large", MinCount=1, MaxCount=1)
    instance = answer["Instances"][0]
    assert instance["State"] == {"Code": 0, "Name": "pending"}
    instance_id = instance["InstanceId"]
    api.wait(instance_id, "running")
    assert instance_id in api.hosts.alive
    change = api.ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"][0]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("running", "shutting-down")
    gone = api.wait(instance_id, "terminated")
    assert instance_id not in api.hosts.alive
    assert gone["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert gone["StateTransitionReason"].startswith("User initiated (20")
    assert "PrivateIpAddress" not in gone
    assert gone["NetworkInterfaces"] == []
    assert ("forget", instance_id) in api.hosts.asked


def test_addresses_are_the_clouds_own(api: Api) -> None:
    answer = api.ec2.run_instances(
        ImageId=UBUNTU, InstanceType="m5.large", MinCount=1, MaxCount=3, Placement={"AvailabilityZone": "us-east-1b"}
    )
    instances = answer["Instances"]
    assert len(instances) == 3
    private = [each["PrivateIpAddress"] for each in instances]
    assert all(address.startswith("172.31.16.") for address in private)
    assert [int(each.split(".")[3]) for each in private] == sorted(int(each.split(".")[3]) for each in private)
    for each in instances:
        public = each["PublicIpAddress"]
        assert public.startswith("127.77.")
        assert each["PublicDnsName"] == f"ec2-{public.replace('.', '-')}.compute-1.localcloud"
        assert each["PrivateDnsName"] == f"ip-{each['PrivateIpAddress'].replace('.', '-')}.ec2.internal"


def test_stop_and_start_keeps_the_private_address_and_changes_the_public_one(api: Api) -> None:
    instance_id = api.running()
    before = api.instance(instance_id)
    api.ec2.stop_instances(InstanceIds=[instance_id])
    stopped = api.wait(instance_id, "stopped")
    assert "PublicIpAddress" not in stopped
    assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    api.ec2.start_instances(InstanceIds=[instance_id])
    after = api.wait(instance_id, "running")
    assert after["PrivateIpAddress"] == before["PrivateIpAddress"]
    assert after["PublicIpAddress"] != before["PublicIpAddress"]
    assert "StateReason" not in after


def test_the_launch_time_is_that_of_the_last_start(api: Api) -> None:
    instance_id = api.running()
    machine = api.cloud.backend.get_instance(instance_id)
    first = machine.launch_time
    api.ec2.reboot_instances(InstanceIds=[instance_id])
    assert machine.launch_time == first
    api.ec2.stop_instances(InstanceIds=[instance_id])
    api.wait(instance_id, "stopped")
    api.ec2.start_instances(InstanceIds=[instance_id])
    assert machine.launch_time > first


def test_a_terminated_instance_cannot_be_started(api: Api) -> None:
    instance_id = api.running()
    api.ec2.terminate_instances(InstanceIds=[instance_id])
    assert code_of(api.ec2.start_instances, InstanceIds=[instance_id]) == "IncorrectInstanceState"
    assert code_of(api.ec2.stop_instances, InstanceIds=[instance_id]) == "IncorrectInstanceState"
    api.ec2.terminate_instances(InstanceIds=[instance_id])  # is allowed to be repeated


def test_pending_cannot_be_stopped(api: Api) -> None:
    with api.held("boot_to_running"):
        instance_id = api.run()
        assert code_of(api.ec2.stop_instances, InstanceIds=[instance_id]) == "IncorrectInstanceState"


@pytest.mark.parametrize(("behaviour", "end"), [("stop", "stopped"), ("terminate", "terminated")])
def test_poweroff_inside(api: Api, behaviour: str, end: str) -> None:
    instance_id = api.running(InstanceInitiatedShutdownBehavior=behaviour)
    api.cloud.life.host_exited(instance_id, "poweroff")
    assert api.wait(instance_id, end)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"


def test_death_of_the_host(api: Api) -> None:
    instance_id = api.running()
    api.cloud.life.host_exited(instance_id, "died")
    assert api.wait(instance_id, "terminated")["StateReason"]["Code"] == "Server.InternalError"


def test_a_boot_that_fails_ends_the_instance(api: Api) -> None:
    api.hosts.broken.add("boot")
    try:
        instance_id = api.run()
        ended = api.wait(instance_id, "terminated")
    finally:
        api.hosts.broken.clear()
    assert ended["StateReason"]["Code"] == "Server.InternalError"
    assert "boot is broken" in ended["StateReason"]["Message"]


def test_same_token_same_instances(api: Api) -> None:
    first = api.run(ClientToken="token-1")
    assert api.run(ClientToken="token-1") == first
    assert code_of(api.run, ClientToken="token-1", InstanceType="c5.large") == "IdempotentParameterMismatch"
    filters = [{"Name": "client-token", "Values": ["token-1"]}]
    found = api.ec2.describe_instances(Filters=filters)["Reservations"]
    assert [each["InstanceId"] for group in found for each in group["Instances"]] == [first]
    api.ec2.terminate_instances(InstanceIds=[first])
    api.wait(first, "terminated")
    assert code_of(api.run, ClientToken="token-1") == "IdempotentInstanceTerminated"


def test_a_refused_token_is_bound_to_its_parameters(api: Api) -> None:
    api.control.capacity(type="m5.large", count=0, market="on-demand")
    assert code_of(api.run, ClientToken="token-2") == "InsufficientInstanceCapacity"
    assert code_of(api.run, ClientToken="token-2", InstanceType="c5.large") == "IdempotentParameterMismatch"
    api.control.capacity(type="m5.large", count=None, market="on-demand")
    assert api.run(ClientToken="token-2").startswith("i-")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
    ({"ImageId": "ubuntu"}, "InvalidAMIID.Malformed"),
    ({"ImageId": "resolve:ssm:/no/such"}, "InvalidParameterValue"),
    ({"ImageId": ARM}, "UnsupportedOperation"),
    ({"InstanceType": "m5.huge"}, "InvalidParameterValue"),
    ({"InstanceType": "p4d.24xlarge", "Placement": {"AvailabilityZone": "us-east-1e"}}, "Unsupported"),
    ({"Placement": {"AvailabilityZone": "us-east-1z"}}, "InvalidParameterValue"),
    ({"Placement": {"GroupName": "nobody"}}, "InvalidPlacementGroup.Unknown"),
    ({"KeyName": "nobody"}, "InvalidKeyPair.NotFound"),
    ({"SecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidGroup.NotFound"),
    ({"SecurityGroups": ["nobody"]}, "InvalidGroup.NotFound"),
    ({"SubnetId": "subnet-01234567"}, "InvalidSubnetID.NotFound"),
    ({"IamInstanceProfile": {"Name": "nobody"}}, "InvalidParameterValue"),
    ({"UserData": "x" * 16385}, "InvalidParameterValue"),
    ({"MinCount": 2, "MaxCount": 1}, "InvalidParameterValue"),
    ({"MinCount": 0, "MaxCount": 1}, "InvalidParameterValue"),
    ({"LaunchTemplate": {"LaunchTemplateName": "nobody"}}, "InvalidLaunchTemplateName.NotFoundException"),
    ({"BlockDeviceMappings": [{"DeviceName": "sdf", "Ebs": {"VolumeSize": 1}}]}, "InvalidParameterValue"),
    ({"TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "a"}]}]}, "InvalidParameterValue"),
    ({"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "aws:a"}]}]}, "InvalidParameterValue"),
    ({"DryRun": True}, "DryRunOperation"),
]


@pytest.mark.parametrize(("changes", "code"), REFUSED)
def test_refused_launches_leave_nothing(api: Api, changes: dict[str, Any], code: str) -> None:
    before = len(api.cloud.backend.every_instance()), len(api.cloud.backend.volumes)
    assert code_of(api.run, **changes) == code
    assert (len(api.cloud.backend.every_instance()), len(api.cloud.backend.volumes)) == before


def test_longest_user_data_is_accepted(api: Api) -> None:
    instance_id = api.running(UserData="x" * 16384)
    assert api.hosts.specs[instance_id].user_data == b"x" * 16384
    told = api.ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")["UserData"]["Value"]
    assert base64.b64decode(told) == b"x" * 16384


def test_ids_that_cannot_be_and_ids_that_are_not(api: Api) -> None:
    assert code_of(api.ec2.describe_instances, InstanceIds=["i-nonsense"]) == "InvalidInstanceID.Malformed"
    assert code_of(api.ec2.describe_instances, InstanceIds=["i-0123456789abcdef0"]) == "InvalidInstanceID.NotFound"
    good = api.run()
    wrong = [good, "i-0123456789abcdef0"]
    assert code_of(api.ec2.terminate_instances, InstanceIds=wrong) == "InvalidInstanceID.NotFound"
    assert api.state(good) in ("pending", "running")


def test_root_volume_goes_and_data_volume_stays(api: Api) -> None:
    mapping = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 2, "VolumeType": "gp3"}}]
    instance_id = api.running(BlockDeviceMappings=mapping)
    held = {each["DeviceName"]: each["Ebs"] for each in api.instance(instance_id)["BlockDeviceMappings"]}
    root, data = held["/dev/sda1"]["VolumeId"], held["/dev/sdf"]["VolumeId"]
    assert held["/dev/sda1"]["DeleteOnTermination"] is True
    assert held["/dev/sdf"]["DeleteOnTermination"] is False
    assert api.hosts.attached[data] == instance_id
    assert root not in api.hosts.volumes
    api.ec2.terminate_instances(InstanceIds=[instance_id])
    assert api.volume(data)["State"] == "in-use"
    api.wait(instance_id, "terminated")
    assert api.volume(data)["State"] == "available"
    assert code_of(api.ec2.describe_volumes, VolumeIds=[root]) == "InvalidVolume.NotFound"


def test_delete_on_termination_can_be_changed(api: Api) -> None:
    mapping = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}]
    instance_id = api.running(BlockDeviceMappings=mapping)
    change = [{"DeviceName": "/dev/sdf", "Ebs": {"DeleteOnTermination": True}}]
    api.ec2.modify_instance_attribute(InstanceId=instance_id, BlockDeviceMappings=change)
    held = {each["DeviceName"]: each["Ebs"] for each in api.instance(instance_id)["BlockDeviceMappings"]}
    api.ec2.terminate_instances(InstanceIds=[instance_id])
    api.wait(instance_id, "terminated")
    assert code_of(api.ec2.describe_volumes, VolumeIds=[held["/dev/sdf"]["VolumeId"]]) == "InvalidVolume.NotFound"


def test_capacity_between_minimum_and_maximum(api: Api) -> None:
    api.control.capacity(type="c5.large", zone="us-east-1a", count=2, market="on-demand")
    place = {"AvailabilityZone": "us-east-1a"}
    options = {"ImageId": UBUNTU, "InstanceType": "c5.large", "Placement": place}
    assert code_of(api.ec2.run_instances, MinCount=3, MaxCount=3, **options) == "InsufficientInstanceCapacity"
    assert len(api.ec2.run_instances(MinCount=1, MaxCount=3, **options)["Instances"]) == 2
    assert code_of(api.ec2.run_instances, MinCount=1, MaxCount=1, **options) == "InsufficientInstanceCapacity"
    elsewhere = {**options, "Placement": {"AvailabilityZone": "us-east-1b"}}
    assert len(api.ec2.run_instances(MinCount=1, MaxCount=1, **elsewhere)["Instances"]) == 1


def test_capacity_error_is_a_server_error(api: Api) -> None:
    api.control.capacity(type="m5.large", count=0, market="all")
    with pytest.raises(ClientError) as caught:
        api.run()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_on_demand_quota(api: Api) -> None:
    used = sum(2 for each in api.cloud.backend.every_instance() if each.now.is_up and not each.is_spot)
    api.control.quota(market="on-demand", vcpus=used + 1)
    assert code_of(api.run) == "VcpuLimitExceeded"


def test_status_checks(api: Api) -> None:
    instance_id = api.running()
    told = api.ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"][0]
    assert told["InstanceStatus"]["Status"] in ("initializing", "ok")

    def status() -> str:
        found = api.ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"]
        return str(found[0]["InstanceStatus"]["Status"])

    until(lambda: status() == "ok")


def test_console_and_reboot(api: Api) -> None:
    instance_id = api.running()
    assert api.ec2.get_console_output(InstanceId=instance_id)["Output"] == f"console of {instance_id}\n"
    api.ec2.reboot_instances(InstanceIds=[instance_id])
    until(lambda: ("reboot", instance_id) in api.hosts.asked)
    assert api.state(instance_id) == "running"


def test_termination_protection(api: Api) -> None:
    instance_id = api.running(DisableApiTermination=True)
    assert code_of(api.ec2.terminate_instances, InstanceIds=[instance_id]) == "OperationNotPermitted"
    api.ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": False})
    api.ec2.terminate_instances(InstanceIds=[instance_id])


def test_instance_profile(api: Api) -> None:
    iam = api.client("iam")
    iam.create_instance_profile(InstanceProfileName="worker")
    instance_id = api.run(IamInstanceProfile={"Name": "worker"})
    assert api.instance(instance_id)["IamInstanceProfile"]["Arn"].endswith(":instance-profile/worker")


def test_newer_images_want_tokens(api: Api) -> None:
    old = next(each.image_id for each in STOCK if each.local_image == "ubuntu-22.04")
    told = {each: api.instance(api.run(ImageId=each))["MetadataOptions"]["HttpTokens"] for each in (UBUNTU, old)}
    assert told == {UBUNTU: "required", old: "optional"}
    chosen = api.run(MetadataOptions={"HttpTokens": "optional"})
    assert api.instance(chosen)["MetadataOptions"]["HttpTokens"] == "optional"


def test_metadata_of_a_node(api: Api) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "alias", "Value": "n1"}]}]
    options = {"HttpTokens": "required", "InstanceMetadataTags": "enabled"}
    instance_id = api.running(TagSpecifications=tags, MetadataOptions=options)
    tree = api.hosts.metadata[instance_id]
    assert tree["instance-id"] == instance_id
    assert tree["_http_tokens"] == "required"
    assert tree["tags"]["instance"]["alias"] == "n1"
    assert tree["public-ipv4"].startswith("127.77.")
    assert "spot" not in tree
    api.ec2.create_tags(Resources=[instance_id], Tags=[{"Key": "more", "Value": "x"}])
    until(lambda: api.hosts.metadata[instance_id]["tags"]["instance"].get("more") == "x")


def test_a_frozen_instance_runs_as_far_as_ec2_knows(api: Api) -> None:
    instance_id = api.run()
    api.wait(instance_id, "running")
    api.control.freeze(instance_id=instance_id)
    assert api.state(instance_id) == "running"
    api.control.thaw(instance_id=instance_id)
    assert api.hosts.ops("freeze") == [("freeze", instance_id, ""), ("freeze", instance_id, "thaw")]


def test_the_root_disk_that_is_asked_for_is_the_hosts(api: Api) -> None:
    disk = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 12}}
    assert api.hosts.specs[api.running()].root_gib == 8
    assert api.hosts.specs[api.running(BlockDeviceMappings=[disk])].root_gib == 12
