"""addnode: new nodes as the cluster's record would have them, unless told otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starcluster.cluster import lifecycle, waiting
from starcluster.cluster.launching import NodeSpec
from starcluster.model import Market

if TYPE_CHECKING:
    from starcluster.cluster.cluster import Cluster
    from starcluster.cluster.node import Node


def add(
    cluster: Cluster,
    aliases: Sequence[str],
    *,
    instance_type: str = "",
    image: str = "",
    zone: str = "",
    bid: float | None = None,
) -> list[Node]:
    """Launch and set up nodes of these names; on spot with a bid, here or in the cluster's record."""
    wanted = cluster.record
    price = bid if bid is not None else wanted.spot_bid
    place = zone or wanted.zone or cluster.running_master().placement
    specs = [
        NodeSpec(
            alias=alias,
            instance_type=instance_type or wanted.node_type,
            image=image or wanted.node_image,
            zone=place,
            market=Market.ON_DEMAND if price is None else Market.SPOT,
            max_price=price or None,
        )
        for alias in aliases
    ]
    return lifecycle.add_nodes(cluster, specs)


def set_up_again(cluster: Cluster, aliases: Sequence[str]) -> None:
    """addnode -x: the set-up of nodes that are there but were not set up to the end."""
    cluster.record.check_writable(cluster.tag)
    for alias in aliases:
        node = cluster.get_node(alias)
        waiting.wait_running(cluster.ec2, [node.id], clock=cluster.clock)
        lifecycle.set_up_node(cluster.load(), cluster.get_node(alias))
