"""StarCluster's names for fixed values that plugins read."""

from starcluster import __version__
from starcluster.names import GROUP_PREFIX
from starcluster.ssh.hostkeys import home

VERSION = __version__
PROGRAM_NAME = "starcluster"
STARCLUSTER_CFG_DIR = str(home())
STARCLUSTER_PLUGIN_DIR = str(home() / "plugins")
STARCLUSTER_LOG_DIR = str(home() / "logs")
SECURITY_GROUP_PREFIX = GROUP_PREFIX
SECURITY_GROUP_TEMPLATE = GROUP_PREFIX + "%s"
MASTER_ALIAS = "master"
WORLD_CIDRIP = "0.0.0.0/0"
