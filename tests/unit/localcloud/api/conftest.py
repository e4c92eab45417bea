"""An API on fake hosts, in this process, for boto3 to ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from starcluster.localcloud.api import assembly
from starcluster.localcloud.api.cloud import Cloud, Keys
from starcluster.localcloud.api.faults import Faults
from starcluster.localcloud.api.images import STOCK
from starcluster.localcloud.api.operations import Operations
from starcluster.localcloud.api.timing import Timing
from starcluster.localcloud.s3.service import S3
from tests.unit.localcloud.api.fake_hosts import FakeHosts

REGION = "us-east-1"
SPEED = 400.0
UBUNTU = STOCK[0].image_id
ARM = next(each.image_id for each in STOCK if each.architecture == "arm64")
KEYS = Keys(access_key="LC0123456789ABCDEF01", secret_key="not-a-secret")
PATIENCE = 10.0


def build(hosts: FakeHosts, *, stored: Any = None, log_file: Path | None = None, speed: float = SPEED) -> Cloud:
    """A cloud on fake hosts; its jobs do not run yet."""
    timing = Timing(speed=speed)
    return assembly.assemble(region=REGION, keys=KEYS, timing=timing, hosts=hosts, log_file=log_file, stored=stored)


def client(name: str, endpoint: str, **changes: Any) -> Any:
    """A boto3 client that asks once and believes the answer."""
    settings = {
        "region_name": REGION,
        "aws_access_key_id": KEYS.access_key,
        "aws_secret_access_key": KEYS.secret_key,
        "config": Config(retries={"total_max_attempts": 1}, proxies={}),
    }
    return boto3.client(name, endpoint_url=endpoint, **{**settings, **changes})


@dataclass(frozen=True, kw_only=True)
class Api:
    """What a test talks to."""

    cloud: Cloud
    hosts: FakeHosts
    faults: Faults
    control: Operations
    endpoint: str
    ec2: Any

    def client(self, name: str, **changes: Any) -> Any:
        return client(name, self.endpoint, **changes)

    @contextmanager
    def held(self, duration: str) -> Iterator[None]:
        """What begins meanwhile and takes this duration does not end before the test does."""
        usual = self.control.timing()["timing"][duration]
        self.control.timing(**{duration: 1_000_000})
        try:
            yield
        finally:
            self.control.timing(**{duration: usual})

    def run(self, **changes: Any) -> str:
        """One instance, launched; its id."""
        wanted = {"ImageId": UBUNTU, "InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1}
        made: str = self.ec2.run_instances(**{**wanted, **changes})["Instances"][0]["InstanceId"]
        return made

    def run_spot(self, *, price: str | None = None, **changes: Any) -> str:
        options = {"MaxPrice": price} if price else {}
        return self.run(InstanceMarketOptions={"MarketType": "spot", "SpotOptions": options}, **changes)

    def instance(self, instance_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ec2.describe_instances(InstanceIds=[instance_id])
        return found["Reservations"][0]["Instances"][0]  # type: ignore[no-any-return]

    def state(self, instance_id: str) -> str:
        return str(self.instance(instance_id)["State"]["Name"])

    def volume(self, volume_id: str) -> dict[str, Any]:
        return self.ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]  # type: ignore[no-any-return]

    def request_of(self, instance_id: str) -> dict[str, Any]:
        filters = [{"Name": "instance-id", "Values": [instance_id]}]
        found = self.ec2.describe_spot_instance_requests(Filters=filters)["SpotInstanceRequests"]
        return found[0]  # type: ignore[no-any-return]

    def wait(self, instance_id: str, state: str) -> dict[str, Any]:
        until(lambda: self.state(instance_id) == state)
        return self.instance(instance_id)

    def running(self, **changes: Any) -> str:
        instance_id = self.run(**changes)
        self.wait(instance_id, "running")
        return instance_id


def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait for a condition; fails when it does not come."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("the condition did not come true")
        time.sleep(0.005)


def code_of(call: Callable[..., Any], **parameters: Any) -> str:
    """The error code that a call is refused with."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    hosts, faults = FakeHosts(), Faults()
    cloud = build(hosts)
    s3 = S3(tmp_path_factory.mktemp("s3"))
    server = assembly.Server(cloud, faults, None, s3=s3)
    cloud.jobs.start()
    server.start()
    yield Api(
        cloud=cloud,
        hosts=hosts,
        faults=faults,
        control=Operations(cloud, faults),
        endpoint=server.endpoint,
        ec2=client("ec2", server.endpoint),
    )
    server.stop()
    cloud.jobs.stop()


@pytest.fixture(autouse=True)
def no_orders_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Faults, prices and capacities that a test has set end with it."""
    yield
    if "api" in request.fixturenames:
        api = request.getfixturevalue("api")
        api.control.clear()
        api.cloud.world.market.capacity.clear()
        api.cloud.world.market.changes.clear()
        api.cloud.world.market.quotas.clear()
