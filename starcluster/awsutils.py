"""StarCluster's name for what is in starcluster.aws: plugins meet it as node.ec2."""

from starcluster.aws.easyec2 import EasyEC2

__all__ = ["EasyEC2"]
