"""A real local cloud for this folder's tests, gone with them even if they are killed."""

from __future__ import annotations

import os
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from starcluster.aws.session import Ec2
from starcluster.clock import wait_until
from starcluster.cloud import Cloud, open_cloud
from starcluster.config.schema import CloudName, Config
from starcluster.localcloud import control
from starcluster.model import Instance, InstanceState, LaunchRequest, Market, Volume, VolumeState

SPEED = 200.0
LIMIT = 30.0  # wall seconds


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cloud")
    with warnings.catch_warnings():
        # the daemon is meant to outlive the Popen object that started it
        warnings.simplefilter("ignore", ResourceWarning)
        control.up(folder, speed=SPEED, owner_pid=os.getpid())
    yield folder
    control.down(folder, delete=True)


@pytest.fixture(scope="session")
def cloud(folder: Path) -> Cloud:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STARCLUSTER_LOCAL", str(folder))
        return open_cloud(Config(path="none", cloud=CloudName.LOCAL))


@pytest.fixture(scope="session")
def door(cloud: Cloud) -> Ec2:
    """One door for all tests: making clients takes longer than most of the tests."""
    return Ec2(cloud)


@pytest.fixture
def until() -> Callable[..., object]:
    """Ask until the answer is true; the answer, or a failure."""

    def wait(ask: Callable[[], object], what: str = "") -> object:
        from starcluster.clock import Clock

        answer = wait_until(ask, limit=LIMIT, pause=0.02, clock=Clock())
        assert answer, f"never came: {what or ask}"
        return answer

    return wait


@pytest.fixture
def ec2(door: Ec2, until: Callable[..., object]) -> Iterator[Ec2]:
    yield door
    door.instances.terminate([one.id for one in door.instances.find() if one.state.is_in_cluster])
    # the next test counts what there is: let the dying be gone, and their root volumes
    until(lambda: all(one.state.is_gone for one in door.instances.find()), "all terminated")


@pytest.fixture
def request_of(ec2: Ec2) -> Callable[..., LaunchRequest]:
    """A request that the local cloud takes; words replace its own."""

    def make(**changes: object) -> LaunchRequest:
        words: dict[str, object] = {
            "image_id": ec2.images.resolve("ubuntu-24.04").id,
            "instance_type": "t3.micro",
            "zone": "us-east-1a",
            "market": Market.ON_DEMAND,
            "token": str(uuid.uuid4()),
            "tags": {"@sc-cluster": f"c-{uuid.uuid4().hex[:8]}", "alias": "mynode", "Name": "mynode"},
            "key_name": "local",
            "group_ids": (),
        }
        return LaunchRequest(**{**words, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture
def launched(
    ec2: Ec2, request_of: Callable[..., LaunchRequest], until: Callable[..., object]
) -> Callable[..., Instance]:
    """Launch and wait until it runs."""

    def launch(**changes: object) -> Instance:
        [one] = ec2.instances.launch(request_of(**changes))
        until(lambda: ec2.instances.get(one.id).state is InstanceState.RUNNING, "running")
        return ec2.instances.get(one.id)

    return launch


@pytest.fixture
def make_volume(ec2: Ec2, until: Callable[..., object]) -> Iterator[Callable[..., Volume]]:
    """Make volumes that are free, and delete them afterwards."""
    made: list[str] = []

    def make(zone: str = "us-east-1a", **words: object) -> Volume:
        volume_id = ec2.volumes.create(1, zone, **words).id  # type: ignore[arg-type]
        made.append(volume_id)
        until(lambda: ec2.volumes.get(volume_id).state is VolumeState.AVAILABLE, "available")
        return ec2.volumes.get(volume_id)

    yield make
    for volume_id in made:
        for one in ec2.volumes.find(ids=[volume_id]):
            if one.holder:
                ec2.instances.terminate([one.holder.instance_id])
                until(lambda name=volume_id: ec2.volumes.get(name).holder is None, "free")
            ec2.volumes.delete(volume_id)


@pytest.fixture
def volume(make_volume: Callable[..., Volume]) -> Volume:
    """A free volume in us-east-1a with a name of its own."""
    return make_volume(tags={"Name": f"v-{uuid.uuid4().hex[:8]}"})
