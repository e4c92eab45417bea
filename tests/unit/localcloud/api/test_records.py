"""Templates, tags, groups, keys, images, pages and filters."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.unit.localcloud.api.conftest import UBUNTU, Api, code_of, until

DATA = {"ImageId": UBUNTU, "InstanceType": "m5.large"}


def template(api: Api, name: str, **changes: Any) -> str:
    made = api.ec2.create_launch_template(**{"LaunchTemplateName": name, "LaunchTemplateData": DATA, **changes})
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


def test_a_template_is_a_record_by_its_tags(api: Api) -> None:
    tags = [{"ResourceType": "launch-template", "Tags": [{"Key": "@sc-name", "Value": "n1"}]}]
    template_id = template(api, "sc-c-n1", TagSpecifications=tags)
    api.ec2.create_tags(Resources=[template_id], Tags=[{"Key": "@sc-generation", "Value": "3"}])
    filters = [{"Name": "tag:@sc-name", "Values": ["n1"]}, {"Name": "launch-template-name", "Values": ["sc-c-*"]}]
    found = api.ec2.describe_launch_templates(Filters=filters)["LaunchTemplates"]
    assert [each["LaunchTemplateId"] for each in found] == [template_id]
    assert {tag["Key"]: tag["Value"] for tag in found[0]["Tags"]} == {"@sc-name": "n1", "@sc-generation": "3"}
    assert code_of(template, api=api, name="sc-c-n1") == "InvalidLaunchTemplateName.AlreadyExistsException"
    api.ec2.delete_tags(Resources=[template_id], Tags=[{"Key": "@sc-generation"}])
    api.ec2.delete_launch_template(LaunchTemplateName="sc-c-n1")
    asked = {"LaunchTemplateNames": ["sc-c-n1"]}
    assert code_of(api.ec2.describe_launch_templates, **asked) == "InvalidLaunchTemplateName.NotFoundException"


def test_template_token_and_required_data(api: Api) -> None:
    first = template(api, "tokened", ClientToken="lt-token")
    assert template(api, "tokened", ClientToken="lt-token") == first
    assert code_of(template, api=api, name="other", ClientToken="lt-token") == "IdempotentParameterMismatch"
    assert code_of(template, api=api, name="empty", LaunchTemplateData={}) == "MissingParameter"
    assert code_of(template, api=api, name="a b") == "InvalidLaunchTemplateName.MalformedException"


def test_a_launch_from_a_template(api: Api) -> None:
    data = {
        **DATA,
        "InstanceType": "c5.large",
        "UserData": base64.b64encode(b"#!/bin/sh\n").decode(),
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}
        ],
    }
    template(api, "launcher", LaunchTemplateData=data)
    api.ec2.create_launch_template_version(
        LaunchTemplateName="launcher", SourceVersion="1", LaunchTemplateData={"InstanceType": "m5.large"}
    )
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "b", "Value": "3"}]}]

    def launch(version: str) -> dict[str, Any]:
        named = {"LaunchTemplateName": "launcher", "Version": version}
        made = api.ec2.run_instances(LaunchTemplate=named, MinCount=1, MaxCount=1, TagSpecifications=tags)
        return made["Instances"][0]  # type: ignore[no-any-return]

    first = launch("$Default")
    assert first["InstanceType"] == "c5.large"
    told = {tag["Key"]: tag["Value"] for tag in first["Tags"]}
    assert (told["a"], told["b"], told["aws:ec2launchtemplate:version"]) == ("1", "3", "1")
    assert launch("$Latest")["InstanceType"] == "m5.large"
    api.wait(first["InstanceId"], "running")
    assert api.hosts.specs[first["InstanceId"]].user_data == b"#!/bin/sh\n"
    versions = api.ec2.describe_launch_template_versions(LaunchTemplateName="launcher")["LaunchTemplateVersions"]
    assert [each["VersionNumber"] for each in versions] == [2, 1]


def test_tag_limits(api: Api) -> None:
    instance_id = api.run()
    many = [{"Key": f"k{number}", "Value": "x"} for number in range(50)]
    api.ec2.create_tags(Resources=[instance_id], Tags=many)
    assert (
        code_of(api.ec2.create_tags, Resources=[instance_id], Tags=[{"Key": "one", "Value": ""}]) == "TagLimitExceeded"
    )
    api.ec2.create_tags(Resources=[instance_id], Tags=[{"Key": "k0", "Value": "changed"}])
    for tag in ({"Key": "aws:x", "Value": ""}, {"Key": "k", "Value": "x" * 257}):
        assert code_of(api.ec2.create_tags, Resources=[instance_id], Tags=[tag]) == "InvalidParameterValue"
    missing = ["i-0123456789abcdef0"]
    assert code_of(api.ec2.create_tags, Resources=missing, Tags=many[:1]) == "InvalidInstanceID.NotFound"
    filters = [{"Name": "resource-id", "Values": [instance_id]}, {"Name": "key", "Values": ["k1?"]}]
    assert len(api.ec2.describe_tags(Filters=filters)["Tags"]) == 10


def test_groups(api: Api) -> None:
    group_id = api.ec2.create_security_group(GroupName="@sc-c", Description="cluster")["GroupId"]
    assert code_of(api.ec2.create_security_group, GroupName="@sc-c", Description="x") == "InvalidGroup.Duplicate"
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "127.0.0.1/32"}]}
    own = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group_id}]}
    api.ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[rule, own])
    asked = {"GroupId": group_id, "IpPermissions": [rule]}
    assert code_of(api.ec2.authorize_security_group_ingress, **asked) == "InvalidPermission.Duplicate"
    api.ec2.revoke_security_group_ingress(**asked)
    assert code_of(api.ec2.revoke_security_group_ingress, **asked) == "InvalidPermission.NotFound"
    instance_id = api.running(SecurityGroupIds=[group_id])
    assert api.instance(instance_id)["SecurityGroups"] == [{"GroupId": group_id, "GroupName": "@sc-c"}]
    assert code_of(api.ec2.delete_security_group, GroupId=group_id) == "DependencyViolation"
    api.ec2.terminate_instances(InstanceIds=[instance_id])
    assert code_of(api.ec2.delete_security_group, GroupId=group_id) == "DependencyViolation"
    api.wait(instance_id, "terminated")
    api.ec2.delete_security_group(GroupId=group_id)
    assert code_of(api.ec2.describe_security_groups, GroupIds=[group_id]) == "InvalidGroup.NotFound"
    found = api.ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["@sc-*"]}])
    assert found["SecurityGroups"] == []


def test_keys(api: Api) -> None:
    made = api.ec2.create_key_pair(KeyName="mine", KeyType="ed25519")
    assert "PRIVATE KEY" in made["KeyMaterial"]
    assert code_of(api.ec2.create_key_pair, KeyName="mine") == "InvalidKeyPair.Duplicate"
    found = api.ec2.describe_key_pairs(KeyNames=["mine"], IncludePublicKey=True)["KeyPairs"][0]
    assert found["KeyFingerprint"] == made["KeyFingerprint"]
    instance_id = api.running(KeyName="mine")
    assert api.hosts.specs[instance_id].authorized_keys[0].startswith(found["PublicKey"].strip())
    api.ec2.delete_key_pair(KeyName="mine")
    assert code_of(api.ec2.describe_key_pairs, KeyNames=["mine"]) == "InvalidKeyPair.NotFound"


def test_images(api: Api) -> None:
    found = api.ec2.describe_images(Owners=["099720109477"], Filters=[{"Name": "architecture", "Values": ["arm64"]}])
    assert {each["Name"].split("/")[-1][:12] for each in found["Images"]} == {"ubuntu-noble", "ubuntu-jammy"}
    instance_id = api.running()
    image_id = api.ec2.create_image(InstanceId=instance_id, Name="own", NoReboot=True)["ImageId"]
    assert code_of(api.ec2.create_image, InstanceId=instance_id, Name="own") == "InvalidAMIName.Duplicate"
    [own] = api.ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": ["own"]}])["Images"]
    assert own["ImageId"] == image_id
    assert api.ec2.describe_images(Owners=["self"], ExecutableUsers=["self"])["Images"] == []
    until(lambda: api.ec2.describe_images(ImageIds=[image_id])["Images"][0]["State"] == "available")
    snapshot_id = own["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    assert api.hosts.snapshots[snapshot_id] == instance_id
    child = api.running(ImageId=image_id)
    assert (api.hosts.specs[child].image, api.hosts.specs[child].root_snapshot) == ("ubuntu-24.04", snapshot_id)
    assert code_of(api.ec2.delete_snapshot, SnapshotId=snapshot_id) == "InvalidSnapshot.InUse"
    api.ec2.deregister_image(ImageId=image_id)
    api.ec2.delete_snapshot(SnapshotId=snapshot_id)
    assert snapshot_id not in api.hosts.snapshots
    assert code_of(api.run, ImageId=image_id) == "InvalidAMIID.NotFound"
    assert code_of(api.ec2.describe_images, ImageIds=[image_id]) == "InvalidAMIID.NotFound"


def test_an_image_reboots_its_instance_unless_asked_not_to_and_has_no_other_disks(api: Api) -> None:
    instance_id = api.running()
    api.ec2.create_image(InstanceId=instance_id, Name="still", NoReboot=True)
    assert ("reboot", instance_id) not in api.hosts.asked
    api.ec2.create_image(InstanceId=instance_id, Name="rebooted")
    until(lambda: ("reboot", instance_id) in api.hosts.asked)
    disk = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}
    other = api.running(BlockDeviceMappings=[disk])
    asked = {"InstanceId": other, "NoReboot": True}
    assert code_of(api.ec2.create_image, **asked, Name="all") == "UnsupportedOperation"
    left_out = [{"DeviceName": "/dev/sdf", "NoDevice": ""}]
    assert api.ec2.create_image(**asked, Name="root", BlockDeviceMappings=left_out)["ImageId"]


def test_types(api: Api) -> None:
    told = api.ec2.describe_instance_types(InstanceTypes=["g5.xlarge"])["InstanceTypes"][0]
    assert told["VCpuInfo"]["DefaultVCpus"] == 4
    assert told["GpuInfo"]["Gpus"][0]["Name"] == "A10G"
    assert code_of(api.ec2.describe_instance_types, InstanceTypes=["m5.huge"]) == "InvalidInstanceType"
    filters = [{"Name": "instance-type", "Values": ["m5.large"]}]
    asked = {"LocationType": "availability-zone", "Filters": filters}
    zones = api.ec2.describe_instance_type_offerings(**asked)["InstanceTypeOfferings"]
    assert "us-east-1a" in {each["Location"] for each in zones}


def test_placement_groups(api: Api) -> None:
    api.ec2.create_placement_group(GroupName="pg", Strategy="cluster")
    instance_id = api.run(Placement={"GroupName": "pg"})
    assert api.instance(instance_id)["Placement"]["GroupName"] == "pg"
    assert code_of(api.ec2.delete_placement_group, GroupName="pg") == "InvalidPlacementGroup.InUse"
    there = api.instance(instance_id)["Placement"]["AvailabilityZone"]
    placed = {"GroupName": "pg", "AvailabilityZone": "us-east-1c"}
    assert there != "us-east-1c"
    assert code_of(api.run, Placement=placed) == "InvalidParameterValue", "such a group is in one zone"
    assert code_of(api.run, Placement={"GroupName": "pg"}, InstanceType="t3.micro") == "InvalidParameterCombination"
    api.ec2.create_placement_group(GroupName="apart", Strategy="spread")
    for place in ({"GroupName": "apart"}, {"GroupName": "apart", "AvailabilityZone": "us-east-1c"}):
        api.run(Placement=place, InstanceType="t3.micro")
    api.ec2.terminate_instances(InstanceIds=[instance_id])
    api.wait(instance_id, "terminated")
    api.ec2.delete_placement_group(GroupName="pg")
    assert code_of(api.ec2.delete_placement_group, GroupName="pg") == "InvalidPlacementGroup.Unknown"


def test_where_the_zone_is_open_a_placement_group_says_it(api: Api) -> None:
    api.ec2.create_placement_group(GroupName="open", Strategy="cluster")
    api.run(Placement={"GroupName": "open", "AvailabilityZone": "us-east-1c"})
    second = api.run(Placement={"GroupName": "open"})
    assert api.instance(second)["Placement"]["AvailabilityZone"] == "us-east-1c"


def test_pages(api: Api) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "paged", "Value": "yes"}]}]
    answer = api.ec2.run_instances(
        ImageId=UBUNTU, InstanceType="m5.large", MinCount=13, MaxCount=13, TagSpecifications=tags
    )
    wanted = {each["InstanceId"] for each in answer["Instances"]}
    filters = [{"Name": "tag:paged", "Values": ["yes"]}]
    paginator = api.ec2.get_paginator("describe_instances")
    pages = list(paginator.paginate(Filters=filters, PaginationConfig={"PageSize": 5}))
    found = [each["InstanceId"] for page in pages for group in page["Reservations"] for each in group["Instances"]]
    assert len(pages) == 3
    assert len(found) == 13
    assert set(found) == wanted
    assert code_of(api.ec2.describe_instances, NextToken="nonsense") == "InvalidNextToken"
    token = pages[0]["NextToken"]
    assert code_of(api.ec2.describe_instances, NextToken=token, MaxResults=5) == "InvalidNextToken"
    assert code_of(api.ec2.describe_instances, MaxResults=2) == "InvalidParameterValue"
    asked = {"InstanceIds": [found[0]], "MaxResults": 5}
    assert code_of(api.ec2.describe_instances, **asked) == "InvalidParameterCombination"


@pytest.mark.parametrize(
    "call",
    [
        "describe_instances",
        "describe_instance_status",
        "describe_volumes",
        "describe_snapshots",
        "describe_images",
        "describe_tags",
        "describe_key_pairs",
        "describe_security_groups",
        "describe_launch_templates",
        "describe_spot_instance_requests",
        "describe_instance_types",
        "describe_instance_type_offerings",
    ],
)
def test_an_unknown_filter_is_refused(api: Api, call: str) -> None:
    filters = [{"Name": "no-such-filter", "Values": ["x"]}]
    assert code_of(getattr(api.ec2, call), Filters=filters) == "InvalidParameterValue"


def test_filters_and_or_and_wildcards(api: Api) -> None:
    def run(alias: str) -> str:
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "alias", "Value": alias}]}]
        return api.run(TagSpecifications=tags)

    first, second, star = run("node-a"), run("node-b"), run("node*")

    def find(*filters: tuple[str, list[str]]) -> set[str]:
        asked = [{"Name": name, "Values": values} for name, values in filters]
        found = api.ec2.describe_instances(Filters=asked)["Reservations"]
        return {each["InstanceId"] for group in found for each in group["Instances"]}

    assert find(("tag:alias", ["node-a", "node-b"])) == {first, second}
    assert find(("tag:alias", ["node-?"])) == {first, second}
    assert find(("tag:alias", ["node\\*"])) == {star}
    assert find(("tag:alias", ["node*"]), ("instance-id", [first])) == {first}
    assert find(("tag:alias", ["NODE-A"])) == set()
    assert find(("tag:alias", ["node-[ab]"])) == set()
