"""StarCluster's name for what is in starcluster.library: programs make one with keys of their own."""

from starcluster.library.ec2 import EasyEC2

__all__ = ["EasyEC2"]
