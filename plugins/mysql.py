"""StarCluster's MySQL Cluster, which is not there: who names it is told so before the launch."""

from __future__ import annotations

from starcluster import exception
from starcluster.clustersetup import ClusterSetup


class MysqlCluster(ClusterSetup):
    """Not there: use Amazon RDS, or the plugin pkginstaller to install a server.

    Raises PluginError, so that a config which names it is refused before anything is launched.
    """

    def __init__(
        self,
        num_replicas: str = "",
        data_memory: str = "",
        index_memory: str = "",
        dump_file: str = "",
        dump_interval: str = "",
        dedicated_query: str = "",
        num_data_nodes: str = "",
    ) -> None:
        raise exception.PluginError(
            "the plugin mysql is not there: the MySQL Cluster 7.0 that it set up is no more",
            hint="take it out of PLUGINS; Amazon RDS runs MySQL, "
            "and the plugin pkginstaller installs a server on the nodes",
        )
