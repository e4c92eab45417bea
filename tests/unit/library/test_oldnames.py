"""StarCluster's names: where programs look for them, and what they are told of those that are gone."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import starcluster.cluster
import starcluster.config
from starcluster import awsutils, exception, logger
from starcluster.aws.session import Ec2
from starcluster.library import cluster, config, ec2, manager


def test_they_are_where_they_were() -> None:
    assert starcluster.config.StarClusterConfig is config.StarClusterConfig
    assert starcluster.config.get_config is config.get_config
    assert starcluster.cluster.ClusterManager is manager.ClusterManager
    assert starcluster.cluster.Cluster is cluster.Cluster
    assert awsutils.EasyEC2 is ec2.EasyEC2
    assert issubclass(awsutils.EasyEC2, Ec2)
    assert logger.get_starcluster_logger() is logger.log
    assert issubclass(exception.KeyPairAlreadyExists, exception.AWSError)
    assert issubclass(exception.RegionDoesNotExist, exception.AWSError)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("from starcluster.cluster import get_cluster", "use ClusterManager(cfg).get_cluster(tag)"),
        ("import starcluster.cluster; starcluster.cluster.stop_cluster", "terminate_cluster(tag)"),
        ("from starcluster import deathrow", "use run_plugin(name) of a cluster"),
        ("import starcluster.balancers.sge", "there is no load balancer here"),
        ("from starcluster.commands.completers import ClusterCompleter", "verbs can not be added"),
    ],
)
def test_what_is_gone_is_told_with_what_is_there_instead(statement: str, told: str) -> None:
    with pytest.raises(ImportError) as caught:
        exec(statement, {})
    assert "is not part of this program; use " in str(caught.value)
    assert told in str(caught.value)


def test_what_never_was_is_told_as_ever() -> None:
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec("from starcluster.config import nothing", {})
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'starcluster\.nothing'"):
        importlib.import_module("starcluster.nothing")
    assert not hasattr(starcluster.cluster, "nothing")


def test_the_library_is_imported_only_when_it_is_asked_for() -> None:
    program = "import sys, starcluster.config, starcluster.cluster; print('starcluster.library' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "False\n"
