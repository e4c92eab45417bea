"""How instances, volumes and spot requests look in EC2's answers: plain dictionaries for moto's serializer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starcluster.localcloud.api.cloud import ACCOUNT
from starcluster.localcloud.api.machines import CloudInstance, State

View = dict[str, Any]


def tag_list(tags: Mapping[str, str]) -> list[View]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_of(backend: Any, resource_id: str) -> Mapping[str, str]:
    found: Mapping[str, str] = backend.tags.get(resource_id, {})
    return found


def state_view(state: State) -> View:
    return {"Code": state.code, "Name": state.value}


def instance_view(instance: CloudInstance) -> View:
    """DescribeInstances' entry; what EC2 leaves out of it is left out here."""
    view: View = {
        "AmiLaunchIndex": instance.ami_launch_index,
        "Architecture": instance.architecture,
        "BlockDeviceMappings": instance.block_device_mappings,
        "ClientToken": instance.client_token,
        "EbsOptimized": instance.ebs_optimized,
        "EnaSupport": True,
        "Hypervisor": "xen",
        "ImageId": instance.image_id,
        "InstanceId": instance.id,
        "InstanceType": instance.instance_type,
        "LaunchTime": instance.launch_time,
        "MetadataOptions": _metadata_options(instance),
        "Monitoring": {"State": instance.monitoring_state},
        "NetworkInterfaces": [_interface_view(nic, instance) for nic in instance.nics.values()],
        "Placement": _placement_view(instance),
        "PrivateDnsName": instance.private_dns_name,
        "ProductCodes": [],
        "PublicDnsName": instance.public_dns_name,
        "RootDeviceName": instance.root_device_name,
        "RootDeviceType": "ebs",
        "SecurityGroups": _groups_view(instance),
        "SourceDestCheck": instance.source_dest_check,
        "State": state_view(instance.now),
        "StateTransitionReason": instance.state_transition_reason or "",
        "VirtualizationType": "hvm",
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
    }
    return view | _optional(instance)


def _optional(instance: CloudInstance) -> View:
    """The parts that only some instances have."""
    tags = tags_of(instance.ec2_backend, instance.id)
    parts: View = {
        "IamInstanceProfile": instance.iam_instance_profile,
        "InstanceLifecycle": "spot" if instance.is_spot else None,
        "KeyName": instance.key_name,
        "PrivateIpAddress": instance.private_ip_address,
        "PublicIpAddress": instance.public_ip_address,
        "SpotInstanceRequestId": instance.spot_instance_request_id,
        "StateReason": _reason_view(instance),
        "SubnetId": instance.subnet_id,
        "Tags": tag_list(tags),
        "VpcId": instance.vpc_id,
    }
    return {name: value for name, value in parts.items() if value}


def _reason_view(instance: CloudInstance) -> View | None:
    reason = instance.state_reason
    return {"Code": reason.code, "Message": reason.message} if reason.code else None


def _groups_view(instance: CloudInstance) -> list[View]:
    if instance.now is State.TERMINATED:
        return []
    return [{"GroupId": group.id, "GroupName": group.name} for group in instance.security_groups]


def _placement_view(instance: CloudInstance) -> View:
    placement = instance.placement
    return {
        "AvailabilityZone": placement.zone,
        "GroupName": placement.group_name,
        "Tenancy": placement.tenancy,
    }


def _metadata_options(instance: CloudInstance) -> View:
    options = instance.metadata_options
    return {
        "State": options.state,
        "HttpTokens": options.http_tokens,
        "HttpPutResponseHopLimit": options.http_put_response_hop_limit,
        "HttpEndpoint": options.http_endpoint,
        "HttpProtocolIpv6": options.http_protocol_ipv6,
        "InstanceMetadataTags": options.instance_metadata_tags,
    }


def _interface_view(nic: Any, instance: CloudInstance) -> View:
    view: View = {
        "NetworkInterfaceId": nic.id,
        "SubnetId": nic.subnet.id,
        "VpcId": nic.subnet.vpc_id,
        "OwnerId": ACCOUNT,
        "Status": nic.status,
        "MacAddress": nic.mac_address,
        "PrivateIpAddress": nic.private_ip_address,
        "PrivateDnsName": instance.private_dns_name,
        "SourceDestCheck": nic.source_dest_check,
        "Description": nic.description,
        "InterfaceType": "interface",
        "Groups": _groups_view(instance),
        "Attachment": {
            "AttachmentId": nic.attachment_id,
            "AttachTime": nic.attach_time,
            "DeleteOnTermination": nic.delete_on_termination,
            "DeviceIndex": nic.device_index,
            "Status": "attached",
        },
    }
    if nic.public_ip:
        view["Association"] = {
            "PublicIp": nic.public_ip,
            "PublicDnsName": instance.public_dns_name,
            "IpOwnerId": "amazon",
        }
    return view


def reservation_view(reservation: Any, instances: list[CloudInstance]) -> View:
    return {
        "ReservationId": reservation.id,
        "OwnerId": ACCOUNT,
        "Groups": [],
        "Instances": [instance_view(instance) for instance in instances],
    }


def attachment_view(volume: Any) -> View:
    attachment = volume.attachment
    return {
        "VolumeId": volume.id,
        "InstanceId": attachment.instance.id,
        "Device": attachment.device,
        "State": attachment.status,
        "AttachTime": attachment.attach_time,
        "DeleteOnTermination": attachment.delete_on_termination,
    }


def volume_view(volume: Any) -> View:
    view: View = {
        "VolumeId": volume.id,
        "Size": volume.size,
        "SnapshotId": volume.snapshot_id or "",
        "AvailabilityZone": volume.zone.name,
        "State": str(volume.status),
        "CreateTime": volume.create_time,
        "Attachments": [attachment_view(volume)] if volume.attachment else [],
        "VolumeType": volume.volume_type,
        "Encrypted": volume.encrypted,
        "MultiAttachEnabled": False,
        "Iops": volume.iops,
        "Throughput": volume.throughput,
        "Tags": tag_list(tags_of(volume.ec2_backend, volume.id)),
    }
    return {name: value for name, value in view.items() if value not in (None, []) or name == "Attachments"}


def snapshot_view(snapshot: Any) -> View:
    view: View = {
        "SnapshotId": snapshot.id,
        "VolumeId": snapshot.volume_id,
        "VolumeSize": snapshot.volume_size,
        "State": snapshot.status,
        "Progress": snapshot.progress,
        "StartTime": snapshot.start_time,
        "Description": snapshot.description or "",
        "OwnerId": snapshot.owner_id,
        "Encrypted": bool(snapshot.encrypted),
        "StorageTier": "standard",
    }
    tags = tag_list(tags_of(snapshot.ec2_backend, snapshot.id))
    return view | ({"Tags": tags} if tags else {})


def spot_request_view(request: Any) -> View:
    view: View = {
        "SpotInstanceRequestId": request.id,
        "CreateTime": request.create_time,
        "State": request.status.state,
        "Status": {
            "Code": request.status.code,
            "Message": request.status.message,
            "UpdateTime": request.updated,
        },
        "Type": request.terms.kind,
        "InstanceInterruptionBehavior": request.terms.behaviour,
        "ProductDescription": "Linux/UNIX",
        "SpotPrice": None if request.terms.max_price is None else f"{request.terms.max_price:.6f}",
        "ValidUntil": request.terms.valid_until,
        "InstanceId": request.instance_id,
        "LaunchedAvailabilityZone": request.zone if request.instance_id else None,
        "LaunchSpecification": _launch_view(request),
        "Tags": tag_list(request.tags),
    }
    return {name: value for name, value in view.items() if value is not None}


def _launch_view(request: Any) -> View:
    view: View = {
        "ImageId": request.image_id,
        "InstanceType": request.instance_type,
        "KeyName": request.key_name,
        "SubnetId": request.subnet_id,
        "Placement": {"AvailabilityZone": request.zone},
        "SecurityGroups": [{"GroupId": group_id, "GroupName": name} for group_id, name in request.group_ids],
        "Monitoring": {"Enabled": False},
    }
    return {name: value for name, value in view.items() if value is not None}
