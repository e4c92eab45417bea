"""StarCluster's name for starcluster.cluster.node: plugins import from here."""

from starcluster.cluster.node import Node

__all__ = ["Node"]
