"""StarCluster's Hadoop, which is not there: who names it is told so before the launch."""

from __future__ import annotations

from starcluster import exception
from starcluster.clustersetup import ClusterSetup


class Hadoop(ClusterSetup):
    """Not there: use Amazon EMR, or the plugin ipcluster.

    Raises PluginError, so that a config which names it is refused before anything is launched.
    """

    def __init__(self, hadoop_tmpdir: str = "", map_to_proc_ratio: str = "", reduce_to_proc_ratio: str = "") -> None:
        raise exception.PluginError(
            "the plugin hadoop is not there: the Hadoop 0.20 that it set up is no more",
            hint="take it out of PLUGINS; Amazon EMR runs Hadoop and Spark, "
            "and the plugin ipcluster spreads Python over the nodes",
        )
