"""A program's config file, and EC2 in memory behind it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from starcluster import app as app_module
from starcluster.clock import Clock
from starcluster.library.config import StarClusterConfig
from starcluster.library.manager import ClusterManager
from starcluster.ssh import keys
from starcluster.ssh.dialer import TcpDialer
from tests.fakes.ec2 import FakeEc2


@pytest.fixture
def ec2() -> FakeEc2:
    return FakeEc2()


@pytest.fixture
def path(tmp_path: Path, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config; every App finds the fake."""
    pem, public = keys.generate_pem()
    (tmp_path / "mykey").write_text(pem)
    (tmp_path / "mykey").chmod(0o600)
    ec2.network.import_key("mykey", public)
    config = tmp_path / "config"
    config.write_text(
        f"""
[global]
DEFAULT_TEMPLATE = small
REFRESH_INTERVAL = 5
[aws info]
AWS_ACCESS_KEY_ID = AKIA
AWS_SECRET_ACCESS_KEY = secret
[key mykey]
KEY_LOCATION = {tmp_path}/mykey
[cluster small]
KEYNAME = mykey
CLUSTER_SIZE = 2
NODE_IMAGE_ID = ami-1
NODE_INSTANCE_TYPE = t3.micro
PLUGINS = greet
[plugin greet]
SETUP_CLASS = tests.unit.library.greeting.Greeting
word = hello
[volume data]
VOLUME_ID = vol-1
MOUNT_PATH = /data
"""
    )
    config.chmod(0o600)
    made = app_module.App.__init__
    cloud = SimpleNamespace(dialer=TcpDialer(), callers=lambda: ("203.0.113.9/32",), clock_scale=1000.0)

    def init(self: app_module.App, options: app_module.Options) -> None:
        made(self, options)
        self.__dict__.update(ec2=ec2, cloud=cloud, clock=Clock(1000))

    monkeypatch.setattr(app_module.App, "__init__", init)
    return config


@pytest.fixture
def cfg(path: Path) -> StarClusterConfig:
    return StarClusterConfig(str(path)).load()


@pytest.fixture
def cm(cfg: StarClusterConfig) -> ClusterManager:
    return cfg.get_cluster_manager()
