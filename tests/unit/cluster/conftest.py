"""A cluster in memory: B's fake EC2, a clock that steps, no SSH at all."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from starcluster.cluster.cluster import Clusters
from starcluster.cluster.record import ClusterRecord
from starcluster.config.schema import CloudName, ClusterTemplate, Config, KeySettings
from starcluster.ssh import keys
from starcluster.ssh.dialer import TcpDialer
from tests.fakes.clock import StepClock
from tests.fakes.ec2 import FakeEc2

RECORD = ClusterRecord(
    keyname="mykey",
    master_image="ami-1",
    master_type="t3.micro",
    node_image="ami-1",
    node_type="t3.micro",
    zone="us-east-1a",
)


@pytest.fixture
def ec2() -> FakeEc2:
    return FakeEc2()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "mykey"
    path.write_text(keys.generate_pem()[0])
    path.chmod(0o600)
    return path


@pytest.fixture
def config(key_file: Path) -> Config:
    return Config(
        path="config", cloud=CloudName.AWS, keys={"mykey": KeySettings(name="mykey", key_location=str(key_file))}
    )


@pytest.fixture
def cloud() -> Any:
    return SimpleNamespace(dialer=TcpDialer(), callers=lambda: ("203.0.113.9/32",))


@pytest.fixture
def clusters(ec2: FakeEc2, config: Config, cloud: Any) -> Clusters:
    return Clusters(ec2, config, StepClock(), cloud)  # type: ignore[arg-type]


@pytest.fixture
def template(key_file: Path) -> ClusterTemplate:
    return ClusterTemplate(
        name="small",
        keyname="mykey",
        cluster_size=2,
        node_image_id="ami-1",
        node_instance_type="t3.micro",
        key_location=str(key_file),
    )


def record_with(**changes: Any) -> ClusterRecord:
    return dataclasses.replace(RECORD, **changes)
