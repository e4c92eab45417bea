"""StarCluster's Grid Engine, which is not there: who names it is told so before the launch."""

from __future__ import annotations

from starcluster import exception
from starcluster.clustersetup import ClusterSetup


class SGEPlugin(ClusterSetup):
    """Not there: use train.cfg for commands that last, or the plugins mpich2 or ipcluster.

    Raises PluginError, so that a config which names it is refused before anything is launched.
    """

    def __init__(self, master_is_exec_host: str = "", slots_per_host: str = "") -> None:
        raise exception.PluginError(
            "the plugin sge is not there yet: this program sets up no queueing system",
            hint="take it out of PLUGINS (DISABLE_QUEUE needs no change); jobs run by train.cfg, "
            "mpirun (plugin mpich2) or ipyparallel (plugin ipcluster)",
        )
