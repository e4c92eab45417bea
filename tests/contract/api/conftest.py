"""A real daemon with real hosts, one for each test module, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from starcluster.localcloud import control
from starcluster.localcloud.api.images import STOCK

SPEED = 200
PATIENCE = 30.0


@dataclass(frozen=True, kw_only=True)
class RealCloud:
    """The cloud under test."""

    folder: Path

    @property
    def facts(self) -> dict[str, Any]:
        found = control.status(self.folder)
        assert found is not None
        return found

    def client(self, name: str = "ec2") -> Any:
        facts = self.facts
        return boto3.client(
            name,
            endpoint_url=facts["endpoint"],
            region_name=facts["region"],
            aws_access_key_id=facts["access_key"],
            aws_secret_access_key=facts["secret_key"],
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    def call(self, op: str, **arguments: Any) -> dict[str, Any]:
        return control.call(self.folder, op, **arguments)

    def run(self, **changes: Any) -> str:
        wanted = {
            "ImageId": STOCK[0].image_id,
            "InstanceType": "m5.large",
            "MinCount": 1,
            "MaxCount": 1,
            "KeyName": "local",
            "UserData": "#cloud-config\ndisable_root: false\n",
            "Placement": {"AvailabilityZone": "us-east-1a"},
        }
        made: str = self.client().run_instances(**{**wanted, **changes})["Instances"][0]["InstanceId"]
        return made

    def run_spot(self) -> str:
        return self.run(InstanceMarketOptions={"MarketType": "spot"})

    def instance(self, instance_id: str) -> dict[str, Any]:
        found = self.client().describe_instances(InstanceIds=[instance_id])
        return found["Reservations"][0]["Instances"][0]  # type: ignore[no-any-return]

    def wait(self, instance_id: str, state: str) -> dict[str, Any]:
        until(lambda: self.instance(instance_id)["State"]["Name"] == state)
        return self.instance(instance_id)

    def ssh(self, instance_id: str, command: str, **changes: Any) -> subprocess.CompletedProcess[str]:
        """Run a command as root, once; like a person's ssh, by its ProxyCommand."""
        instance = self.instance(instance_id)
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes"]
        options.append(f"ProxyCommand={control.proxy_command(self.folder)}")
        words = ["ssh", "-F", "none", "-i", self.facts["key_file"]]
        words += [word for option in options for word in ("-o", option)]
        words += [f"root@{instance.get('PublicIpAddress', '127.77.255.254')}", command]
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, **changes)

    def on(self, instance_id: str, command: str) -> str:
        """The output of a command that must succeed, as soon as the node lets one in."""
        until(lambda: self.ssh(instance_id, "true").returncode == 0)
        done = self.ssh(instance_id, command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait for a condition; fails when it does not come."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("the condition did not come true")
        time.sleep(0.05)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCloud]:
    folder = tmp_path_factory.mktemp("cloud") / "local"
    control.up(folder, speed=SPEED, owner_pid=os.getpid())
    yield RealCloud(folder=folder)
    control.down(folder, delete=True)
