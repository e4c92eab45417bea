"""StarCluster's names for old programs: where in this program they are, and what takes the place of those that are not.

A program asks for `starcluster.config.StarClusterConfig`; that is in `starcluster.library`, on a floor above, and is
imported only when somebody asks.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_ELSEWHERE = {
    "starcluster.config": {
        "StarClusterConfig": "starcluster.library.config",
        "get_config": "starcluster.library.config",
        "get_easy_ec2": "starcluster.library.config",
        "get_easy_s3": "starcluster.library.config",
        "get_cluster_manager": "starcluster.library.config",
    },
    "starcluster.cluster": {
        "Cluster": "starcluster.library.cluster",
        "ClusterManager": "starcluster.library.manager",
    },
}
_BY_MANAGER = "ClusterManager(cfg).{0}, with cfg = starcluster.config.StarClusterConfig().load()"
_GONE = {
    "starcluster.config": {
        "ConfigNotFound": "starcluster.exception.ConfigNotFound",
    },
    "starcluster.cluster": {
        "get_cluster": _BY_MANAGER.format("get_cluster(tag)"),
        "get_cluster_security_groups": _BY_MANAGER.format("get_cluster_security_groups()"),
        "get_tag_from_sg": _BY_MANAGER.format("get_tag_from_sg(name)"),
        "list_clusters": _BY_MANAGER.format("list_clusters()"),
        "stop_cluster": _BY_MANAGER.format("stop_cluster(tag) or terminate_cluster(tag)"),
        "ssh_to_master": _BY_MANAGER.format("ssh_to_master(tag)"),
        "ssh_to_cluster_node": _BY_MANAGER.format("ssh_to_cluster_node(tag, node)"),
        "ClusterValidator": "is_valid() of a cluster",
    },
}
_GONE_MODULES = {
    "addnode": "add_node and add_nodes of a cluster",
    "balancers": "`starcluster addnode` and `removenode`: there is no load balancer here",
    "commands.base": "a program of its own: verbs can not be added",
    "commands.completers": "a program of its own: verbs can not be added",
    "completion": "`starcluster completion`",
    "deathrow": "run_plugin(name) of a cluster",
    "image": "`starcluster ebsimage`",
    "managers": "starcluster.cluster.ClusterManager",
    "optcomplete": "`starcluster completion`",
    "relaunch": "starcluster.sshutils",
    "removenode": "remove_node of a cluster",
    "tests": "tests of your own: StarCluster's are not part of this program",
    "validators": "is_valid() of a cluster",
    "volume": "`starcluster createvolume`, or create_volume of ec2",
}


def look_up(module: str, name: str) -> Any:
    """The attribute of a module that is kept elsewhere; ImportError tells what is there instead of one that is gone."""
    home = _ELSEWHERE[module].get(name)
    if home:
        return getattr(importlib.import_module(home), name)
    instead = _GONE[module].get(name)
    if instead:
        raise ImportError(f"{module}.{name} is not part of this program; use {instead}", name=module)
    raise AttributeError(f"module '{module}' has no attribute '{name}'")


class Finder:
    """Asked last, for modules of StarCluster that nobody has found."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        instead = _GONE_MODULES.get(name.removeprefix("starcluster.")) if name.startswith("starcluster.") else None
        if instead is None:
            return None
        raise ImportError(f"{name} is not part of this program; use {instead}", name=name)


def tell_of_gone_modules() -> None:
    """From now on their import says what to use instead."""
    if not any(isinstance(one, Finder) for one in sys.meta_path):
        sys.meta_path.append(Finder())
