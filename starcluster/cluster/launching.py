"""From an alias and a machine type to one RunInstances call that may be repeated; asking.py makes the calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.aws.network import CLOSE_TOGETHER
from starcluster.cluster import userdata
from starcluster.model import Image, LaunchRequest, Market, Subnet

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2
    from starcluster.cluster.cluster import Cluster

_SUBNET_AGE = 60.0  # EC2's seconds; how many addresses are free changes


@dataclass(frozen=True, kw_only=True)
class NodeSpec:
    """One node to launch; `may_lack`: a shortage of it does not fail the whole.

    `other_types`: what will do as well as `instance_type`; `zones`: where it may live, in place of `zone`.
    `max_wait`: for so many of EC2's seconds a shortage of spot machines is waited out; then, with
    `then_on_demand`, the node is asked for on demand. `grouped`: in the cluster's placement group.
    """

    alias: str
    instance_type: str
    image: str
    zone: str = ""
    market: Market = Market.ON_DEMAND
    max_price: float | None = None
    may_lack: bool = False
    other_types: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    subnet_id: str = ""
    max_wait: float = 0.0
    then_on_demand: bool = False
    grouped: bool = False

    @property
    def types(self) -> tuple[str, ...]:
        return (self.instance_type, *self.other_types)


def launch_request(
    cluster: Cluster,
    *,
    alias: str,
    instance_type: str,
    zone: str,
    market: Market,
    token: str,
    tags: Mapping[str, str] | None = None,
    max_price: float | None = None,
    image: str | None = None,
    subnet_id: str = "",
    grouped: bool = False,
) -> LaunchRequest:
    """The RunInstances call for one node of the cluster: image, key, group, the zone's subnet, user data, tags."""
    record = cluster.record
    subnet = named_subnet(cluster, subnet_id) if subnet_id else _subnet(cluster, zone)
    return LaunchRequest(
        image_id=_image_id(cluster, image or record.node_image, instance_type),
        instance_type=instance_type,
        zone=subnet.zone if subnet else zone,
        market=market,
        token=token,
        tags=cluster.resource_tags(alias, tags),
        key_name=record.keyname,
        group_ids=(cluster.group.id,),
        subnet_id=subnet.id if subnet else "",
        max_price=max_price,
        user_data=userdata.build(alias, record.userdata_scripts, cloudinit=not record.disable_cloudinit),
        public_ip=record.public_ips if subnet else None,
        instance_profile=record.iam_profile,
        root_volume=record.root_volume,
        placement_group=cluster.group.name if grouped else "",
    )


def _image_id(cluster: Cluster, name: str, instance_type: str) -> str:
    return name if name.startswith("ami-") else find_image(cluster.ec2, name, instance_type).id


def find_image(ec2: Ec2, name: str, instance_type: str) -> Image:
    """The image of that id or name, for the type's own architecture."""
    architectures = ec2.instances.type_info(instance_type).architectures
    architecture = "arm64" if "arm64" in architectures and "x86_64" not in architectures else "x86_64"
    return ec2.images.resolve(name, architecture=architecture)


def may_be_close(ec2: Ec2, instance_type: str) -> bool:
    """Whether EC2 takes the type into a placement group; yes where it tells nothing of that."""
    strategies = ec2.instances.type_info(instance_type).placement_strategies
    return not strategies or CLOSE_TOGETHER in strategies


def _subnet(cluster: Cluster, zone: str) -> Subnet | None:
    """The choice for this zone, asked for once by launches that come together."""
    with cluster.subnets_lock:
        now = cluster.clock.monotonic()
        known = cluster.subnets.get(zone)
        if known is None or now - known[0] > _SUBNET_AGE:
            known = cluster.subnets[zone] = (now, _choose_subnet(cluster, zone))
        return known[1]


def named_subnet(cluster: Cluster, subnet_id: str) -> Subnet:
    """The subnet of that id, in the cluster's VPC."""
    found = cluster.ec2.network.subnets(ids=[subnet_id])
    if not found:
        raise exception.SubnetDoesNotExist(f"subnet {subnet_id} does not exist in {cluster.ec2.region}")
    if found[0].vpc_id != cluster.group.vpc_id:
        raise exception.ClusterValidationError(
            f"subnet {subnet_id} is in {found[0].vpc_id}, cluster '{cluster.tag}' in {cluster.group.vpc_id}",
            hint="the nodes of a cluster are in one VPC: choose a subnet of that one",
        )
    return found[0]


def _choose_subnet(cluster: Cluster, zone: str) -> Subnet | None:
    """The cluster's own subnet, or the one of the zone with the most room; None lets EC2 choose zone and subnet."""
    chosen = cluster.record.subnet_id
    network = cluster.ec2.network
    if chosen:
        found = network.subnets(ids=[chosen])
        if not found:
            raise exception.SubnetDoesNotExist(f"subnet {chosen} does not exist")
        if not zone or found[0].zone == zone:
            return found[0]
    if not zone:
        return None
    subnets = network.subnets(vpc_id=cluster.group.vpc_id, zone=zone)
    if not subnets:
        raise exception.InvalidZone(
            f"there is no subnet in {zone} where cluster '{cluster.tag}' could have a node",
            hint="choose another AVAILABILITY_ZONE, or make a subnet there in the cluster's VPC",
        )
    return max(subnets, key=lambda one: (one.default_for_zone, one.free_addresses))
