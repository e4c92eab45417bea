"""Launches: from an alias and a machine type to one RunInstances call that may be repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starcluster import exception, names
from starcluster.cluster import userdata
from starcluster.logger import log
from starcluster.model import Image, Instance, LaunchRequest, Market, Subnet
from starcluster.threadpool import get_thread_pool

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2
    from starcluster.cluster.cluster import Cluster

_TRIES = 8
_FIRST_PAUSE = 2.0
_MOST_PAUSE = 30.0
# a token that belongs to a dead instance is given up for the next one: so often at most
_TOKENS = 100
_THREADS = 8
_SUBNET_AGE = 60.0  # EC2's seconds; how many addresses are free changes


@dataclass(frozen=True, kw_only=True)
class NodeSpec:
    """One node to launch; `may_lack`: a shortage of it does not fail the whole."""

    alias: str
    instance_type: str
    image: str
    zone: str = ""
    market: Market = Market.ON_DEMAND
    max_price: float | None = None
    may_lack: bool = False


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
) -> LaunchRequest:
    """The RunInstances call for one node of the cluster: image, key, group, the zone's subnet, user data, tags."""
    record = cluster.record
    subnet = _subnet(cluster, zone)
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
        user_data=userdata.build(alias, record.userdata_scripts),
        public_ip=record.public_ips if subnet else None,
        instance_profile=record.iam_profile,
        root_volume=record.root_volume,
    )


def _image_id(cluster: Cluster, name: str, instance_type: str) -> str:
    return name if name.startswith("ami-") else find_image(cluster.ec2, name, instance_type).id


def find_image(ec2: Ec2, name: str, instance_type: str) -> Image:
    """The image of that id or name, for the type's own architecture."""
    architectures = ec2.instances.type_info(instance_type).architectures
    architecture = "arm64" if "arm64" in architectures and "x86_64" not in architectures else "x86_64"
    return ec2.images.resolve(name, architecture=architecture)


def _subnet(cluster: Cluster, zone: str) -> Subnet | None:
    """The choice for this zone, asked for once by launches that come together."""
    with cluster.subnets_lock:
        now = cluster.clock.monotonic()
        known = cluster.subnets.get(zone)
        if known is None or now - known[0] > _SUBNET_AGE:
            known = cluster.subnets[zone] = (now, _choose_subnet(cluster, zone))
        return known[1]


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


def launch_nodes(cluster: Cluster, specs: Sequence[NodeSpec]) -> list[Instance]:
    """Launch all specs side by side, each with its own token; repeated, it finds what it launched before.

    Raises the first failure after the others have ended; what was launched is then in the cluster.
    """
    pool = get_thread_pool(min(_THREADS, len(specs) or 1))
    for spec in specs:
        pool.simple_job(_launch, (cluster, spec), jobid=spec.alias)
    try:
        launched = pool.wait()
    except exception.ThreadPoolException as error:
        raise error.exceptions[0][0] from error
    finally:
        pool.shutdown()
    return [instance for instance in launched if instance is not None]


def _launch(cluster: Cluster, spec: NodeSpec) -> Instance | None:
    for number in range(_TOKENS):
        token = names.launch_token(owner=cluster.group.id, alias=spec.alias, generation=0, attempt=number)
        request = launch_request(
            cluster,
            alias=spec.alias,
            instance_type=spec.instance_type,
            zone=spec.zone,
            market=spec.market,
            token=token,
            max_price=spec.max_price,
            image=spec.image,
        )
        try:
            instance = _patiently(cluster, request)
        except exception.TokenSpent:
            continue
        except exception.ShortageError as error:
            if not spec.may_lack:
                raise
            log.warning("%s is not launched: %s", spec.alias, error)
            return None
        if instance.state.is_in_cluster:
            return instance
    raise exception.TransientError(
        f"no launch token is left for {spec.alias}", hint="remove the node under another name"
    )


def _patiently(cluster: Cluster, request: LaunchRequest) -> Instance:
    """The launch, asked again while EC2 has passing troubles; the token keeps it from happening twice."""
    pause = _FIRST_PAUSE
    for _ in range(_TRIES - 1):
        try:
            return cluster.ec2.instances.launch(request)[0]
        except exception.TransientError as error:
            log.debug("launch of %s: %s", request.tags.get("alias"), error)
            cluster.clock.sleep(pause)
            pause = min(pause * 2, _MOST_PAUSE)
    return cluster.ec2.instances.launch(request)[0]
