"""StarCluster's names for fixed values that plugins read."""

from __future__ import annotations

import tempfile
from typing import Any

from starcluster import __version__
from starcluster.model import InstanceState, VolumeState
from starcluster.names import GROUP_PREFIX, MASTER
from starcluster.ownfolder import home

VERSION = __version__
PROGRAM_NAME = "starcluster"
STARCLUSTER_CFG_DIR = str(home())
STARCLUSTER_CFG_FILE = str(home() / "config")
STARCLUSTER_PLUGIN_DIR = str(home() / "plugins")
STARCLUSTER_LOG_DIR = str(home() / "logs")
DEBUG_FILE = str(home() / "logs" / "debug.log")
TMP_DIR = tempfile.gettempdir()
SECURITY_GROUP_PREFIX = GROUP_PREFIX
SECURITY_GROUP_TEMPLATE = GROUP_PREFIX + "%s"
MASTER_ALIAS = MASTER
WORLD_CIDRIP = "0.0.0.0/0"
INSTANCE_STATES = [str(state) for state in InstanceState]
VOLUME_STATUS = [str(state) for state in VolumeState]


def __getattr__(name: str) -> Any:
    """INSTANCE_TYPES: every type that boto3 knows -> its architectures; read when asked for, for it is long."""
    if name != "INSTANCE_TYPES":
        raise AttributeError(name)
    from starcluster.aws.typenames import instance_types

    return instance_types()
