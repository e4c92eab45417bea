"""RunInstances: from the parameters of a call to a plan that EC2 would accept, and from a plan to instances."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.types import Base64EncodedString
from moto.ec2.models.instances import Reservation
from moto.ec2.utils import filter_iam_instance_profiles, random_reservation_id

from starcluster.localcloud.api import catalog, errors, images
from starcluster.localcloud.api.addresses import AddressesExhausted
from starcluster.localcloud.api.capacity import pool_room
from starcluster.localcloud.api.cloud import ACCOUNT, Cloud
from starcluster.localcloud.api.disks import DiskPlan, plan_disks
from starcluster.localcloud.api.machines import CloudInstance
from starcluster.localcloud.api.market import MarketKind
from starcluster.localcloud.api.roles import RENEWED
from starcluster.localcloud.api.spotterms import SpotTerms, read_terms
from starcluster.localcloud.api.tagging import read_tag_specifications

USER_DATA_LIMIT = 16384
COUNT_LIMIT = 1000


@dataclass(frozen=True, kw_only=True)
class LaunchPlan:
    """Everything about a launch, checked. `maximum` instances are wanted, `minimum` must be had."""

    image: Any
    instance_type: str
    zone: str
    subnet: Any
    groups: tuple[Any, ...]
    key_name: str | None
    user_data: str | None
    minimum: int
    maximum: int
    spot: SpotTerms | None
    tags: Mapping[str, Mapping[str, str]]
    disks: tuple[DiskPlan, ...]
    private_ip: str | None
    public: bool | None
    options: Mapping[str, Any]

    @property
    def kind(self) -> MarketKind:
        return MarketKind.SPOT if self.spot else MarketKind.ON_DEMAND


def plan_launch(cloud: Cloud, params: Mapping[str, Any]) -> LaunchPlan:
    """Check the parameters as EC2 does; raises its refusals. Changes nothing."""
    minimum, maximum = _counts(params)
    image = images.resolve(cloud, params.get("ImageId"))
    instance_type = params.get("InstanceType") or catalog.DEFAULT_TYPE
    _check_type(instance_type, image)
    subnet, zone = _place(cloud, params, instance_type)
    nic = _primary_nic(params)
    terms = read_terms(params.get("InstanceMarketOptions"))
    return LaunchPlan(
        image=image,
        instance_type=instance_type,
        zone=zone,
        subnet=subnet,
        groups=_groups(cloud, params, nic, subnet),
        key_name=_key(cloud, params.get("KeyName")),
        user_data=check_user_data(params.get("UserData")),
        minimum=minimum,
        maximum=maximum,
        spot=terms,
        tags=read_tag_specifications(params.get("TagSpecifications"), LAUNCH_TAGGABLE),
        disks=plan_disks(cloud, params.get("BlockDeviceMappings"), image),
        private_ip=_private_ip(params, nic, subnet, maximum),
        public=nic.get("AssociatePublicIpAddress"),
        options={**_options(cloud, params), "placement_group": _placement_group(cloud, params, instance_type, zone)},
    )


LAUNCH_TAGGABLE = frozenset({"instance", "volume", "network-interface", "spot-instances-request"})


def _counts(params: Mapping[str, Any]) -> tuple[int, int]:
    for name in ("MinCount", "MaxCount"):
        if params.get(name) is None:
            raise errors.missing(name)
    minimum, maximum = int(params["MinCount"]), int(params["MaxCount"])
    if minimum < 1:
        raise errors.invalid_value(minimum, "minCount", "Must be at least 1")
    if maximum < minimum:
        raise errors.invalid_value(maximum, "maxCount", "Must not be less than minCount")
    if maximum > COUNT_LIMIT:
        raise errors.Refusal("InstanceLimitExceeded", f"At most {COUNT_LIMIT} instances in one call")
    return minimum, maximum


def _check_type(instance_type: str, image: Any) -> None:
    if not catalog.exists(instance_type):
        raise errors.Refusal("InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType.")
    offered = catalog.architectures(instance_type)
    if image.architecture not in offered:
        text = (
            f"The architecture '{offered[0]}' of the specified instance type does not match the architecture"
            f" '{image.architecture}' of the specified AMI."
        )
        raise errors.Refusal("UnsupportedOperation", text)


def _primary_nic(params: Mapping[str, Any]) -> Mapping[str, Any]:
    nics = params.get("NetworkInterfaces") or []
    if len(nics) > 1:
        raise errors.Refusal("UnsupportedOperation", "The local cloud gives an instance one network interface")
    if nics and (params.get("SubnetId") or params.get("SecurityGroupIds")):
        text = "Network interfaces and an instance-level subnet ID or security groups may not be specified together"
        raise errors.bad_combination(text)
    found: Mapping[str, Any] = nics[0] if nics else {}
    return found


def _place(cloud: Cloud, params: Mapping[str, Any], instance_type: str) -> tuple[Any, str]:
    """The subnet and zone of the launch; where the caller leaves it open, the first zone that has the type."""
    subnet_id = params.get("SubnetId") or _primary_nic(params).get("SubnetId")
    zone = (params.get("Placement") or {}).get("AvailabilityZone") or _zone_of_group(cloud, _group_name(params))
    offered = catalog.zones_of(instance_type, cloud.region)
    if subnet_id:
        subnet = cloud.backend.get_subnet(subnet_id)
        if zone and zone != subnet.availability_zone:
            raise errors.invalid_value(zone, "availabilityZone", "It is not the zone of the subnet")
        zone = subnet.availability_zone
    else:
        zone = zone or _open_zone(cloud, params, instance_type, offered)
        subnet = _default_subnet(cloud, zone)
    if zone not in offered:
        raise _not_offered(instance_type, zone, offered)
    return subnet, zone


def _open_zone(cloud: Cloud, params: Mapping[str, Any], instance_type: str, offered: tuple[str, ...]) -> str:
    kind = MarketKind.SPOT if params.get("InstanceMarketOptions") else MarketKind.ON_DEMAND
    known = cloud.backend.get_default_subnets()
    usable = [zone for zone in offered if zone in known]
    if not usable:
        raise _not_offered(instance_type, cloud.region, offered)
    free = [zone for zone in usable if pool_room(cloud, instance_type, zone, kind) != 0]
    return (free or usable)[0]


def _default_subnet(cloud: Cloud, zone: str) -> Any:
    subnets = cloud.backend.get_default_subnets()
    if zone not in {each.name for each in cloud.backend.describe_availability_zones()}:
        raise errors.Refusal("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
    if zone not in subnets:
        raise errors.Refusal("MissingInput", f"No default subnet for availability zone: '{zone}'.")
    return subnets[zone]


def _not_offered(instance_type: str, zone: str, offered: tuple[str, ...]) -> errors.Refusal:
    text = (
        f"Your requested instance type ({instance_type}) is not supported in your requested Availability Zone"
        f" ({zone}). Please retry your request by not specifying an Availability Zone or choosing"
        f" {', '.join(offered) or 'another region'}."
    )
    return errors.Refusal("Unsupported", text)


def _groups(cloud: Cloud, params: Mapping[str, Any], nic: Mapping[str, Any], subnet: Any) -> tuple[Any, ...]:
    ids = [*(params.get("SecurityGroupIds") or []), *(nic.get("Groups") or [])]
    found = [cloud.backend.get_security_group_from_id(group_id) for group_id in ids]
    for group_id, group in zip(ids, found, strict=True):
        if group is None:
            raise errors.Refusal("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")
    for name in params.get("SecurityGroups") or []:
        group = cloud.backend.get_security_group_from_name(name, subnet.vpc_id)
        if group is None:
            text = f"The security group '{name}' does not exist in default VPC '{subnet.vpc_id}'"
            raise errors.Refusal("InvalidGroup.NotFound", text)
        found.append(group)
    return tuple(found) or (cloud.backend.get_default_security_group(subnet.vpc_id),)


def _key(cloud: Cloud, name: str | None) -> str | None:
    if name and name not in cloud.backend.key_pairs:
        raise errors.Refusal("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")
    return name or None


def check_user_data(encoded: Any) -> str | None:
    """User data as it came, base64; refuses what EC2 refuses."""
    if not encoded:
        return None
    try:
        raw = base64.b64decode(str(encoded), validate=True)
    except (binascii.Error, ValueError):
        raise errors.Refusal("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") from None
    if len(raw) > USER_DATA_LIMIT:
        raise errors.Refusal("InvalidParameterValue", f"User data is limited to {USER_DATA_LIMIT} bytes")
    return str(encoded)


def _private_ip(params: Mapping[str, Any], nic: Mapping[str, Any], subnet: Any, count: int) -> str | None:
    wanted: str | None = params.get("PrivateIpAddress") or nic.get("PrivateIpAddress")
    if wanted is None:
        return None
    if count != 1:
        raise errors.bad_combination("A private IP address can be given to one instance only")
    if not images.inside(wanted, subnet.cidr_block):
        raise errors.invalid_value(wanted, "address", "Address does not fall within the subnet's address range")
    if wanted in subnet._subnet_ips:
        raise errors.Refusal("InvalidIPAddress.InUse", f"Address {wanted} is in use.")
    return wanted


def _options(cloud: Cloud, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that are kept and told, after a check."""
    behaviour = params.get("InstanceInitiatedShutdownBehavior") or "stop"
    if behaviour not in ("stop", "terminate"):
        raise errors.invalid_value(behaviour, "instanceInitiatedShutdownBehavior")
    return {
        "instance_initiated_shutdown_behavior": behaviour,
        "profile": _profile(params.get("IamInstanceProfile") or {}),
        "monitoring_state": "enabled" if (params.get("Monitoring") or {}).get("Enabled") else "disabled",
        "ebs_optimized": bool(params.get("EbsOptimized")),
        "disable_api_termination": bool(params.get("DisableApiTermination")),
        "disable_api_stop": bool(params.get("DisableApiStop")),
        "metadata_options": dict(params.get("MetadataOptions") or {}),
        "client_token": params.get("ClientToken") or "",
        "template": params.get("_template"),
    }


def _group_name(params: Mapping[str, Any]) -> str:
    return str((params.get("Placement") or {}).get("GroupName") or "")


def _zone_of_group(cloud: Cloud, name: str) -> str:
    """Where the instances of a cluster placement group are; "" where it has none, or is of another strategy."""
    group = cloud.world.placement_groups.get(name)
    if group is None or group["Strategy"] != "cluster":
        return ""
    members = [each for each in cloud.backend.every_instance() if each.placement.group_name == name]
    return next((each.placement.zone for each in members if each.now != "terminated"), "")


def _placement_group(cloud: Cloud, params: Mapping[str, Any], instance_type: str, zone: str) -> str:
    """The group's name; EC2 has one of strategy cluster in one zone only, and not with every type."""
    name = _group_name(params)
    if not name:
        return ""
    group = cloud.world.placement_groups.get(name)
    if group is None:
        raise errors.Refusal("InvalidPlacementGroup.Unknown", f"The placement group '{name}' is unknown.")
    strategy = group["Strategy"]
    if strategy not in catalog.strategies(instance_type):
        text = f"A placement group of strategy {strategy} takes no '{instance_type}'."
        raise errors.bad_combination(text)
    there = _zone_of_group(cloud, name)
    if there and there != zone:
        raise errors.invalid_value(
            zone, "availabilityZone", f"The instances of placement group '{name}' are in {there}"
        )
    return name


def _profile(wanted: Mapping[str, str]) -> dict[str, str]:
    """The instance profile by name or ARN, which must exist."""
    if not wanted:
        return {}
    try:
        filter_iam_instance_profiles(
            ACCOUNT,
            partition="aws",
            iam_instance_profile_arn=wanted.get("Arn"),
            iam_instance_profile_name=wanted.get("Name"),
        )
    except ServiceException:
        raise _bad_profile(wanted) from None
    return dict(wanted)


def _bad_profile(wanted: Mapping[str, str]) -> errors.Refusal:
    part = "name" if wanted.get("Name") else "arn"
    value = wanted.get("Name") or wanted.get("Arn")
    return errors.invalid_value(value, f"iamInstanceProfile.{part}", f"Invalid IAM Instance Profile {part}")


def make_instances(cloud: Cloud, plan: LaunchPlan, count: int) -> Reservation:
    """Create `count` pending instances of the plan; their hosts are booted by jobs."""
    backend = cloud.backend
    reservation = Reservation(random_reservation_id(), owner_id=ACCOUNT)
    backend.reservations[reservation.id] = reservation
    for index in range(count):
        instance = _make_instance(cloud, plan, index)
        reservation.instances.append(instance)
        backend.index_instance(instance, reservation.id)
        _associate(cloud, instance, plan.options["profile"])
    for instance in reservation.instances:
        cloud.log.event("pending", instance.id, type=plan.instance_type, zone=plan.zone, market=plan.kind)
        cloud.at_once("boot", instance.id)
    return reservation


def _make_instance(cloud: Cloud, plan: LaunchPlan, index: int) -> CloudInstance:
    backend = cloud.backend
    options = dict(plan.options)
    options.pop("profile")
    options["metadata_options"] = {**plan.image.metadata_defaults, **options["metadata_options"]}
    template = options.pop("template")
    data = Base64EncodedString(plan.user_data) if plan.user_data else None
    instance = CloudInstance(
        backend,
        plan.image.id,
        data,
        list(plan.groups),
        instance_type=plan.instance_type,
        region_name=cloud.region,
        subnet_id=plan.subnet.id,
        key_name=plan.key_name,
        private_ip=plan.private_ip or _next_private(cloud, plan.subnet),
        associate_public_ip=plan.public,
        ami_launch_index=index,
        lifecycle="spot" if plan.spot else None,
        local_image=plan.image.local_image,
        default_user=plan.image.default_user,
        root_snapshot=plan.image.root_snapshot,
        **options,
    )
    if template:
        instance.add_tags(template)
    instance.add_tags(dict(plan.tags.get("instance", {})))
    for nic in instance.nics.values():
        nic.add_tags(dict(plan.tags.get("network-interface", {})))
    for disk in plan.disks:
        backend.add_launch_disk(instance, disk, dict(plan.tags.get("volume", {})))
    return instance


def _associate(cloud: Cloud, instance: CloudInstance, profile: Mapping[str, str]) -> None:
    if profile:
        cloud.jobs.after(RENEWED, "new-keys", instance.id)
        cloud.backend.associate_iam_instance_profile(
            instance.id,
            iam_instance_profile_name=profile.get("Name"),
            iam_instance_profile_arn=profile.get("Arn"),
        )


def _next_private(cloud: Cloud, subnet: Any) -> str:
    try:
        return cloud.world.addresses.private(subnet.id, subnet.cidr_block, subnet._subnet_ips)
    except AddressesExhausted:
        text = f"There are not enough free addresses in subnet '{subnet.id}'"
        raise errors.Refusal("InsufficientFreeAddressesInSubnet", text) from None
