"""addnode: new nodes as the cluster's record would have them, unless told otherwise."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starcluster.cluster import pools
from starcluster.cluster.joining import Joined, Joining
from starcluster.cluster.launching import NodeSpec, may_be_close, named_subnet
from starcluster.cluster.places import check_zones, words
from starcluster.cluster.starting import market_of, zones_from
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.cluster.cluster import Cluster
    from starcluster.cluster.record import ClusterRecord


@dataclass(frozen=True, kw_only=True)
class AddWish:
    """What the command line says of the new nodes; "" and None: as the cluster's record has it.

    `instance_type` may be several with commas. `max_wait` in minutes. `keep`: a node whose set-up failed stays.
    """

    instance_type: str = ""
    image: str = ""
    zone: str = ""
    subnet_id: str = ""
    bid: float | None = None
    on_demand: bool = False
    max_wait: float | None = None
    fallback: str = ""
    keep: bool = False


def add(cluster: Cluster, aliases: Sequence[str], wish: AddWish) -> Joined:
    """Launch and set up nodes of these names, all side by side; who failed is in the answer."""
    cluster.record.check_writable(cluster.tag)
    master = cluster.running_master()
    zone = named_subnet(cluster, wish.subnet_id).zone if wish.subnet_id else wish.zone
    check_zones(cluster.ec2, [zone])
    specs = specs_of(cluster.record, aliases, wish, zone=zone, home=master.placement)
    if cluster.record.placement_group:
        specs = [_close(cluster, spec, home=master.placement) for spec in specs]
    cluster.check_key()  # this, and a plugin that can not be made, is told before anything is paid for
    _ = cluster.plugins
    return Joining(cluster, keep=wish.keep).join(specs)


def specs_of(record: ClusterRecord, aliases: Sequence[str], wish: AddWish, *, zone: str, home: str) -> list[NodeSpec]:
    """`zone`: where they have to be, "" = as the record says; `home`: the master's zone."""
    first, *others = words(wish.instance_type) or (record.node_type,)
    bid = None if wish.on_demand else wish.bid if wish.bid is not None else record.spot_bid
    here = dataclasses.replace(
        record,
        spot_max_wait=record.spot_max_wait if wish.max_wait is None else wish.max_wait,
        fallback=wish.fallback or record.fallback,
    )
    like = NodeSpec(
        alias="",
        instance_type=first,
        other_types=tuple(others)
        if wish.instance_type
        else pools.types_for(first, default=first, others=record.other_types),
        image=wish.image or record.node_image,
        zone=zone or record.zone or home,
        zones=() if zone else zones_from(record.zone or home, record.zones),
        subnet_id=wish.subnet_id,
        **market_of(here, bid),
    )
    return [dataclasses.replace(like, alias=alias) for alias in aliases]


def _close(cluster: Cluster, spec: NodeSpec, *, home: str) -> NodeSpec:
    """In the cluster's placement group, which is where its master is, unless the wish is for what can not be there."""
    unfit = [one for one in spec.types if not may_be_close(cluster.ec2, one)]
    if unfit or home not in (spec.zone, *spec.zones):
        why = f"EC2 takes no {unfit[0]} into one" if unfit else f"that one is in {home}"
        log.warning("%s will be outside of the cluster's placement group: %s", spec.alias, why)
        return spec
    return dataclasses.replace(spec, zone=home, zones=(), grouped=True)


def set_up_again(cluster: Cluster, aliases: Sequence[str]) -> Joined:
    """addnode -x: the set-up of nodes that are there but were not set up to the end."""
    cluster.record.check_writable(cluster.tag)
    return Joining(cluster, keep=True).set_up_again([cluster.get_node(alias) for alias in aliases])
