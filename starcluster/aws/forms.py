"""EC2's answers as values of starcluster.model, and tags as EC2 wants them. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from starcluster import exception
from starcluster.aws.errors import spot_verdict
from starcluster.model import (
    Attachment,
    AttachmentState,
    BlockDevice,
    Instance,
    InstanceState,
    LaunchTemplate,
    Market,
    Modification,
    ModificationState,
    Permission,
    SecurityGroup,
    Snapshot,
    SnapshotState,
    SpotRequest,
    SpotState,
    Subnet,
    Volume,
    VolumeState,
)

Answer = Mapping[str, Any]
Named = TypeVar("Named", Volume, Snapshot)


def filters(**wanted: str | Iterable[str]) -> list[dict[str, Any]]:
    """EC2's Filters from keywords: `_` in a name stands for `-`; empty values are left out."""
    return filter_list({name.replace("_", "-"): value for name, value in wanted.items()})


def filter_list(wanted: Mapping[str, str | Iterable[str]]) -> list[dict[str, Any]]:
    """EC2's Filters from EC2's own filter names; empty values are left out."""
    lists = {name: [value] if isinstance(value, str) else list(value) for name, value in wanted.items()}
    return [{"Name": name, "Values": values} for name, values in lists.items() if any(values)]


def only(found: Sequence[Named], what: str, name: str) -> Named | None:
    """The one that has this id or Name, None when there is none; UserMustAct when several have."""
    if len(found) > 1:
        raise exception.UserMustAct(
            f"{len(found)} {what} are named '{name}': {', '.join(one.id for one in found)}",
            hint="name the one that you mean by its id",
        )
    return found[0] if found else None


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_specifications(tags: Mapping[str, str], *kinds: str) -> list[dict[str, Any]]:
    """TagSpecifications for the resources that a call creates; [] without tags."""
    return [{"ResourceType": kind, "Tags": tag_list(tags)} for kind in kinds] if tags else []


def tags_of(answer: Answer) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in answer.get("Tags", ())}


def text(answer: Answer, *path: str) -> str:
    """The text at a path of nested answers, "" where any step is missing."""
    value: Any = answer
    for step in path:
        value = (value or {}).get(step)
    return str(value) if value is not None else ""


def instance(answer: Answer) -> Instance:
    return Instance(
        id=answer["InstanceId"],
        state=InstanceState(answer["State"]["Name"]),
        instance_type=text(answer, "InstanceType"),
        image_id=text(answer, "ImageId"),
        zone=text(answer, "Placement", "AvailabilityZone"),
        vpc_id=text(answer, "VpcId"),
        subnet_id=text(answer, "SubnetId"),
        private_ip=text(answer, "PrivateIpAddress"),
        public_ip=text(answer, "PublicIpAddress"),
        private_dns=text(answer, "PrivateDnsName"),
        public_dns=text(answer, "PublicDnsName"),
        key_name=text(answer, "KeyName"),
        instance_profile=text(answer, "IamInstanceProfile", "Arn"),
        launched=answer.get("LaunchTime"),
        market=Market.SPOT if answer.get("InstanceLifecycle") == "spot" else Market.ON_DEMAND,
        spot_request_id=text(answer, "SpotInstanceRequestId"),
        reason_code=text(answer, "StateReason", "Code"),
        reason_message=text(answer, "StateReason", "Message"),
        transition_reason=text(answer, "StateTransitionReason"),
        client_token=text(answer, "ClientToken"),
        root_device=text(answer, "RootDeviceName"),
        virtualization=text(answer, "VirtualizationType") or "hvm",
        architecture=text(answer, "Architecture") or "x86_64",
        kernel_id=text(answer, "KernelId"),
        ramdisk_id=text(answer, "RamdiskId"),
        launch_index=int(answer.get("AmiLaunchIndex", 0)),
        group_ids=_names(answer.get("SecurityGroups", ()), "GroupId"),
        group_names=_names(answer.get("SecurityGroups", ()), "GroupName"),
        block_devices=tuple(_block_device(one) for one in answer.get("BlockDeviceMappings", ())),
        tags=tags_of(answer),
    )


def _names(answers: Iterable[Answer], key: str) -> tuple[str, ...]:
    return tuple(str(one[key]) for one in answers if one.get(key))


def _block_device(answer: Answer) -> BlockDevice:
    return BlockDevice(
        device=text(answer, "DeviceName"),
        volume_id=text(answer, "Ebs", "VolumeId"),
        delete_on_termination=bool(answer.get("Ebs", {}).get("DeleteOnTermination")),
        state=text(answer, "Ebs", "Status") or "attached",
    )


def spot_request(answer: Answer) -> SpotRequest:
    launch: Answer = answer.get("LaunchSpecification", {})
    price = answer.get("SpotPrice")
    return SpotRequest(
        id=answer["SpotInstanceRequestId"],
        state=SpotState(answer["State"]),
        code=text(answer, "Status", "Code"),
        verdict=spot_verdict(text(answer, "Status", "Code")),
        message=text(answer, "Status", "Message"),
        instance_id=text(answer, "InstanceId"),
        instance_type=text(launch, "InstanceType"),
        image_id=text(launch, "ImageId"),
        zone=text(answer, "LaunchedAvailabilityZone") or text(launch, "Placement", "AvailabilityZone"),
        price=float(price) if price else None,
        kind=text(answer, "Type") or "one-time",
        created=answer.get("CreateTime"),
        launch_group=text(answer, "LaunchGroup"),
        zone_group=text(answer, "AvailabilityZoneGroup"),
        group_ids=_names(launch.get("SecurityGroups", ()), "GroupId"),
        tags=tags_of(answer),
    )


def volume(answer: Answer) -> Volume:
    return Volume(
        id=answer["VolumeId"],
        state=VolumeState(answer["State"]),
        size=int(answer["Size"]),
        zone=text(answer, "AvailabilityZone"),
        kind=text(answer, "VolumeType"),
        iops=answer.get("Iops"),
        throughput=answer.get("Throughput"),
        encrypted=bool(answer.get("Encrypted")),
        kms_key=text(answer, "KmsKeyId"),
        snapshot_id=text(answer, "SnapshotId"),
        created=answer.get("CreateTime"),
        attachments=tuple(_attachment(one) for one in answer.get("Attachments", ())),
        tags=tags_of(answer),
    )


def _attachment(answer: Answer) -> Attachment:
    return Attachment(
        volume_id=text(answer, "VolumeId"),
        instance_id=text(answer, "InstanceId"),
        device=text(answer, "Device"),
        state=AttachmentState(answer.get("State", "attached")),
    )


def modification(answer: Answer) -> Modification:
    return Modification(
        volume_id=answer["VolumeId"],
        state=ModificationState(answer["ModificationState"]),
        size=int(answer.get("TargetSize", 0)),
        kind=text(answer, "TargetVolumeType"),
        iops=answer.get("TargetIops"),
        throughput=answer.get("TargetThroughput"),
        progress=int(answer.get("Progress", 0)),
        message=text(answer, "StatusMessage"),
        started=answer.get("StartTime"),
    )


def snapshot(answer: Answer) -> Snapshot:
    progress = text(answer, "Progress").rstrip("%")
    return Snapshot(
        id=answer["SnapshotId"],
        state=SnapshotState(answer["State"]),
        volume_id=text(answer, "VolumeId"),
        size=int(answer.get("VolumeSize", 0)),
        progress=int(progress) if progress.isdigit() else 0,
        message=text(answer, "StateMessage"),
        description=text(answer, "Description"),
        encrypted=bool(answer.get("Encrypted")),
        data_bytes=answer.get("FullSnapshotSizeInBytes"),
        started=answer.get("StartTime"),
        tags=tags_of(answer),
    )


def security_group(answer: Answer) -> SecurityGroup:
    return SecurityGroup(
        id=answer["GroupId"],
        name=text(answer, "GroupName"),
        vpc_id=text(answer, "VpcId"),
        permissions=tuple(_permissions(answer.get("IpPermissions", ()))),
        tags=tags_of(answer),
    )


def _permissions(answers: Sequence[Answer]) -> Iterable[Permission]:
    """EC2 bundles sources of one port range; we keep one value a source."""
    for answer in answers:
        first, last = int(answer.get("FromPort", -1)), int(answer.get("ToPort", -1))
        for source in answer.get("IpRanges", ()):
            yield Permission(
                protocol=answer["IpProtocol"],
                cidr=source["CidrIp"],
                from_port=first,
                to_port=last,
                description=text(source, "Description"),
            )
        for source in answer.get("UserIdGroupPairs", ()):
            yield Permission(
                protocol=answer["IpProtocol"],
                group_id=text(source, "GroupId"),
                from_port=first,
                to_port=last,
            )


def permission_answer(permission: Permission) -> dict[str, Any]:
    """One IpPermissions entry, as AuthorizeSecurityGroupIngress takes it."""
    entry: dict[str, Any] = {"IpProtocol": permission.protocol}
    if permission.protocol != "-1":
        entry |= {"FromPort": permission.from_port, "ToPort": permission.to_port}
    note = {"Description": permission.description} if permission.description else {}
    if permission.group_id:
        entry["UserIdGroupPairs"] = [{"GroupId": permission.group_id, **note}]
    else:
        entry["IpRanges"] = [{"CidrIp": permission.cidr, **note}]
    return entry


def subnet(answer: Answer) -> Subnet:
    return Subnet(
        id=answer["SubnetId"],
        vpc_id=text(answer, "VpcId"),
        zone=text(answer, "AvailabilityZone"),
        cidr=text(answer, "CidrBlock"),
        free_addresses=int(answer.get("AvailableIpAddressCount", 0)),
        default_for_zone=bool(answer.get("DefaultForAz")),
        public_ips=bool(answer.get("MapPublicIpOnLaunch")),
    )


def launch_template(answer: Answer) -> LaunchTemplate:
    return LaunchTemplate(
        id=answer["LaunchTemplateId"],
        name=text(answer, "LaunchTemplateName"),
        created=answer.get("CreateTime"),
        tags=tags_of(answer),
    )
