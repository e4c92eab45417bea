"""Instances that a user names by id or address, whether they belong to a cluster or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.cluster.volumehosts import node_of, stranger
from starcluster.model import Instance

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2
    from starcluster.cluster.cluster import Clusters
    from starcluster.cluster.node import Node


def find_instance(ec2: Ec2, name: str) -> Instance:
    """The instance of that id, DNS name or address; InstanceDoesNotExist when there is none that is not gone."""
    if name.startswith("i-"):
        return ec2.instances.get(name)
    for one in ec2.instances.find():
        if one.state.is_in_cluster and name in (one.public_dns, one.public_ip, one.private_dns, one.private_ip):
            return one
    raise exception.InstanceDoesNotExist(
        f"there is no instance '{name}' in {ec2.region}", hint="starcluster listinstances shows them"
    )


def find_node(clusters: Clusters, name: str) -> Node:
    """The same as a node that can be logged in to: one of a cluster, or one by its key pair in the config."""
    instance = find_instance(clusters.ec2, name)
    return node_of(clusters, instance) or stranger(clusters, instance, instance.key_name)
