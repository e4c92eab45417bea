"""The stored state: written behind each change, read back whole, refused when it is another version's."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from starcluster.localcloud.api import assembly, store
from starcluster.localcloud.api.cloud import Cloud
from starcluster.localcloud.api.faults import Faults
from starcluster.localcloud.api.hostkeeper import HostKeeper
from starcluster.localcloud.api.machines import State
from starcluster.localcloud.api.store import Store, StoreError
from starcluster.localcloud.places import Places
from starcluster.localcloud.s3.service import S3
from tests.unit.localcloud.api.conftest import UBUNTU, build, client, until
from tests.unit.localcloud.api.fake_hosts import FakeHosts


class Running:
    """A cloud with a store, as the daemon runs it."""

    def __init__(self, folder: Path, hosts: FakeHosts) -> None:
        self.cloud: Cloud = build(hosts, stored=store.load(folder))
        self.store = Store(folder, self.cloud.lock, lambda: assembly.collect(self.cloud))
        self.cloud.jobs.changed = self.store.changed
        self.server = assembly.Server(self.cloud, Faults(), self.store, s3=S3(folder / "s3"))
        self.keeper = HostKeeper(Places(folder), hosts, self.cloud, None)
        self.keeper.catch_up()
        self.keeper.start()
        self.store.start()
        self.cloud.jobs.start()
        self.server.start()
        self.ec2: Any = client("ec2", self.server.endpoint)

    def stop(self) -> None:
        self.server.stop()
        self.keeper.stop()
        self.cloud.jobs.stop()
        self.store.stop()

    def state(self, instance_id: str) -> str:
        found = self.ec2.describe_instances(InstanceIds=[instance_id])
        return str(found["Reservations"][0]["Instances"][0]["State"]["Name"])


LAUNCH: dict[str, Any] = {"ImageId": UBUNTU, "InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1}


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    hosts = FakeHosts()
    first = Running(tmp_path, hosts)
    market = {"InstanceMarketOptions": {"MarketType": "spot"}, "ClientToken": "t"}
    instance = first.ec2.run_instances(**LAUNCH, **market)["Instances"][0]
    instance_id = instance["InstanceId"]
    volume_id = first.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    first.ec2.create_tags(Resources=[volume_id], Tags=[{"Key": "Name", "Value": "home"}])
    client("iam", first.server.endpoint).create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    until(lambda: first.state(instance_id) == "running")
    first.stop()
    second = Running(tmp_path, hosts)
    try:
        assert second.state(instance_id) == "running"
        again = second.ec2.run_instances(**LAUNCH, **market)["Instances"][0]
        assert again["InstanceId"] == instance_id
        assert again["PrivateIpAddress"] == instance["PrivateIpAddress"]
        request = second.ec2.describe_spot_instance_requests()["SpotInstanceRequests"][0]
        assert (request["InstanceId"], request["Status"]["Code"]) == (instance_id, "fulfilled")
        filters = [{"Name": "tag:Name", "Values": ["home"]}]
        assert second.ec2.describe_volumes(Filters=filters)["Volumes"][0]["VolumeId"] == volume_id
        assert client("iam", second.server.endpoint).get_role(RoleName="r")["Role"]["RoleName"] == "r"
        other = second.ec2.run_instances(**LAUNCH)["Instances"][0]
        assert other["PrivateIpAddress"] != instance["PrivateIpAddress"]
        assert other["PublicIpAddress"] != instance["PublicIpAddress"]
        assert hosts.ops("boot").count(("boot", instance_id)) == 1
    finally:
        second.stop()


def test_what_was_under_way_goes_on(tmp_path: Path) -> None:
    hosts = FakeHosts()
    first = Running(tmp_path, hosts)
    first.cloud.timing = type(first.cloud.timing)(speed=1)  # the cloud will be ended long before a terminate is done
    instance_id = first.ec2.run_instances(**LAUNCH)["Instances"][0]["InstanceId"]
    first.ec2.terminate_instances(InstanceIds=[instance_id])
    first.stop()
    stored = store.load(tmp_path)
    kinds = {kind for kind, subject in stored["world"].jobs if subject == instance_id}
    assert kinds & {"halt", "terminated"}


def test_a_host_that_is_gone_ends_its_instance(tmp_path: Path) -> None:
    hosts = FakeHosts()
    first = Running(tmp_path, hosts)
    instance_id = first.ec2.run_instances(**LAUNCH)["Instances"][0]["InstanceId"]
    until(lambda: first.state(instance_id) == "running")
    first.stop()
    hosts.alive.clear()
    second = Running(tmp_path, hosts)
    try:
        until(lambda: second.state(instance_id) == "terminated")
        found = second.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        assert found["StateReason"]["Code"] == "Server.InternalError"
    finally:
        second.stop()


def test_what_hosts_did_while_no_daemon_ran_is_told_right(tmp_path: Path) -> None:
    hosts = FakeHosts()
    first = Running(tmp_path, hosts)
    instance_id = first.ec2.run_instances(**LAUNCH)["Instances"][0]["InstanceId"]
    until(lambda: first.state(instance_id) == "running")
    first.stop()
    hosts.exit(instance_id, "poweroff")
    second = Running(tmp_path, hosts)
    try:
        until(lambda: second.state(instance_id) == "stopped")
        second.ec2.start_instances(InstanceIds=[instance_id])
        until(lambda: second.state(instance_id) == "running")
    finally:
        second.stop()
    third = Running(tmp_path, hosts)
    try:
        assert third.state(instance_id) == "running"  # the old event is not acted on twice
    finally:
        third.stop()


def test_a_boot_that_a_dead_daemon_began_is_not_done_twice(tmp_path: Path) -> None:
    hosts = FakeHosts()
    first = Running(tmp_path, hosts)
    instance_id = first.ec2.run_instances(**LAUNCH)["Instances"][0]["InstanceId"]
    until(lambda: first.state(instance_id) == "running")
    first.stop()
    instance = first.cloud.backend.find_instance(instance_id)
    instance.become(State.PENDING)
    first.cloud.at_once("boot", instance_id)
    first.store.stop()
    second = Running(tmp_path, hosts)
    try:
        until(lambda: second.state(instance_id) == "running")
        assert hosts.ops("boot").count(("boot", instance_id)) == 1
    finally:
        second.stop()


def test_what_was_answered_is_stored(tmp_path: Path) -> None:
    running = Running(tmp_path, FakeHosts())
    try:
        volume_id = running.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
        stored = store.load(tmp_path)
        assert volume_id in stored["ec2"].volumes
        assert (tmp_path / "state.pickle").stat().st_mode & 0o777 == 0o600
    finally:
        running.stop()


def write(folder: Path, stamp: dict[str, str], content: bytes) -> None:
    (folder / "version.json").write_text(json.dumps(stamp))
    (folder / "state.pickle").write_bytes(content)


@pytest.mark.parametrize("part", ["schema", "moto", "python"])
def test_another_version_is_refused_and_kept(tmp_path: Path, part: str) -> None:
    write(tmp_path, {**store.versions(), part: "0"}, pickle.dumps({}))
    with pytest.raises(StoreError, match=f"{part} 0") as caught:
        store.load(tmp_path)
    assert "local down --delete" in caught.value.hint
    assert (tmp_path / "state.pickle").exists()


def test_damage_is_refused(tmp_path: Path) -> None:
    write(tmp_path, store.versions(), b"\x80\x05 broken")
    with pytest.raises(StoreError, match="damaged"):
        store.load(tmp_path)


def test_keys_are_made_once(tmp_path: Path) -> None:
    keys = store.keys(tmp_path)
    assert store.keys(tmp_path) == keys
    assert len(keys.access_key) == 20
    assert (tmp_path / "credentials.json").stat().st_mode & 0o777 == 0o600
