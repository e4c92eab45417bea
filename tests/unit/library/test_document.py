"""docs/library.md tells of names that are there, with signatures that one may rely on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import starcluster.config
from starcluster.awsutils import EasyEC2
from starcluster.cluster import ClusterManager
from starcluster.config import StarClusterConfig
from tests.plugins.api_names import documented
from tests.unit.plugins.test_api_names import wrong_in

WRITTEN = documented(Path(__file__).parents[3] / "docs" / "library.md")
OWNERS = {"StarClusterConfig": StarClusterConfig, "ClusterManager": ClusterManager, "EasyEC2": EasyEC2}
ROWS = [(section, name, signature) for section, names in WRITTEN.items() for name, signature in names.items()]


@pytest.mark.parametrize(("section", "name", "signature"), ROWS)
def test_the_program_has_it_as_it_is_written(section: str, name: str, signature: str, cfg: StarClusterConfig) -> None:
    if section == "Cluster":
        cluster = cfg.get_cluster_template("small", "mycluster")
        cluster.start(create_only=True)
        owner: Any = cluster
    else:
        owner = OWNERS.get(section, starcluster.config)
    if not signature:
        assert hasattr(owner, name)
    else:
        assert not wrong_in(signature, getattr(owner, name))


def test_all_classes_are_told_of() -> None:
    assert set(WRITTEN) == {"starcluster.config", "Cluster", *OWNERS}
