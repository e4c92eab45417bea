"""Where a cluster may be: what AVAILABILITY_ZONE, SUBNET_ID and the volumes say together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.cluster.pools import ANY
from starcluster.model import Subnet, Volume

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2
    from starcluster.config.schema import ClusterTemplate


def words(text: str) -> tuple[str, ...]:
    """The items of a list with commas."""
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def zones_of(
    ec2: Ec2, template: ClusterTemplate, volumes: Sequence[Volume], wanted: Sequence[Volume]
) -> tuple[str, tuple[str, ...]]:
    """(zone, zones): where the master has to be, "" = in one of the zones; and where else workers may be, () = nowhere.

    `volumes` are the master's. `wanted` are those that plugins bring to any node: then all nodes are in their zone.
    """
    subnet = _subnet(ec2, template)
    allowed = _allowed(ec2, template, subnet)
    place = _place_of([*volumes, *wanted]) or (subnet.zone if subnet else "")
    if place and allowed and place not in allowed:
        _refuse(template, subnet, place, volumes=bool(volumes or wanted))
    if subnet and place != subnet.zone:
        raise exception.InvalidZone(f"subnet {subnet.id} is in {subnet.zone}, the cluster has to be in {place}")
    if len(allowed) < 2 or wanted:
        return place or "".join(allowed), ()
    return place, allowed


def _subnet(ec2: Ec2, template: ClusterTemplate) -> Subnet | None:
    """SUBNET_ID, with room for the cluster, and with a way out where public addresses are wanted."""
    if not template.subnet_id:
        return None
    found = ec2.network.subnets(ids=[template.subnet_id])
    if not found:
        raise exception.SubnetDoesNotExist(f"subnet {template.subnet_id} does not exist in {ec2.region}")
    if found[0].free_addresses < template.cluster_size:
        raise exception.ClusterValidationError(
            f"subnet {template.subnet_id} has {found[0].free_addresses} free addresses, "
            f"{template.cluster_size} are needed"
        )
    if template.public_ips and not ec2.network.reaches_internet(found[0]):
        raise exception.ClusterValidationError(
            f"subnet {template.subnet_id} has no route to an internet gateway: nobody reaches public addresses there",
            hint="choose a public subnet; or set PUBLIC_IPS = False, and SSH_PROXY for the way in",
        )
    return found[0]


def _allowed(ec2: Ec2, template: ClusterTemplate, subnet: Subnet | None) -> tuple[str, ...]:
    """AVAILABILITY_ZONE's zones; `any`: all that work and in which the cluster's VPC has a subnet."""
    named = words(template.availability_zone)
    if ANY not in [word.lower() for word in named]:
        return named
    vpc_id = subnet.vpc_id if subnet else ec2.network.default_vpc()
    working = [zone.name for zone in ec2.network.zones() if zone.state == "available"]
    reached = {one.zone for one in ec2.network.subnets(vpc_id=vpc_id)}
    return tuple(zone for zone in working if zone in reached)


def _place_of(volumes: Sequence[Volume]) -> str:
    """The zone of the volumes, which must be one."""
    zones = sorted({volume.zone for volume in volumes})
    if len(zones) > 1:
        told = ", ".join(f"{volume.name or volume.id} in {volume.zone}" for volume in volumes)
        raise exception.VolumesZoneError(
            f"the volumes are in several zones: {told}",
            hint="a volume can be used in its own zone only; a snapshot can be restored in another",
        )
    return zones[0] if zones else ""


def _refuse(template: ClusterTemplate, subnet: Subnet | None, place: str, *, volumes: bool) -> None:
    given = template.availability_zone
    if volumes:
        raise exception.VolumesZoneError(
            f"AVAILABILITY_ZONE is {given}, but the volumes are in {place}",
            hint=f"set AVAILABILITY_ZONE = {place}, or leave it out",
        )
    raise exception.InvalidZone(
        f"subnet {subnet.id if subnet else ''} is in {place}, the cluster has to be in {given}",
        hint="leave AVAILABILITY_ZONE out, or choose a subnet there",
    )


def check_zones(ec2: Ec2, wanted: Sequence[str]) -> None:
    """InvalidZone for one that does not exist, or does not work now."""
    zones = [zone for zone in dict.fromkeys(wanted) if zone]
    known = {one.name: one for one in ec2.network.zones()} if zones else {}
    for zone in zones:
        if zone not in known:
            raise exception.InvalidZone(
                f"zone '{zone}' does not exist in {ec2.region}", hint=f"zones: {', '.join(sorted(known))}"
            )
        if known[zone].state != "available":
            raise exception.InvalidZone(f"zone {zone} is {known[zone].state}")
