"""Instances and spot requests through the door, at the local cloud's real API."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from starcluster import exception
from starcluster.aws.session import Ec2
from starcluster.localcloud import control
from starcluster.model import Instance, InstanceState, LaunchRequest, Market, RootVolume, SpotState

Until = Callable[..., object]
RequestOf = Callable[..., LaunchRequest]
Launched = Callable[..., Instance]


def test_a_launch_with_everything_that_it_made_tagged(ec2: Ec2, launched: Launched) -> None:
    tags = {"@sc-cluster": "tagged", "alias": "mynode", "Name": "mynode", "User": "me"}
    one = launched(tags=tags, user_data=gzip.compress(b"#cloud-config\n", mtime=0))
    assert one.tags == tags
    assert (one.zone, one.instance_type, one.key_name) == ("us-east-1a", "t3.micro", "local")
    assert one.market is Market.ON_DEMAND
    assert one.private_ip.startswith("172.31.")
    assert one.public_ip.startswith("127.77.")
    assert one.public_dns
    assert one.launched is not None
    assert abs(datetime.now(UTC) - one.launched) < timedelta(minutes=2)
    [root] = one.block_devices
    assert root.delete_on_termination
    assert ec2.volumes.get(root.volume_id).tags == tags
    assert one.data_devices == ()


def test_find_by_each_word(ec2: Ec2, launched: Launched) -> None:
    one = launched()
    two = launched()
    tag = one.tags["@sc-cluster"]
    assert [found.id for found in ec2.instances.find(cluster=tag)] == [one.id]
    assert {found.id for found in ec2.instances.find(ids=[one.id, two.id, "i-00000000000000000"])} == {one.id, two.id}
    assert [found.id for found in ec2.instances.find(token=one.client_token)] == [one.id]
    assert ec2.instances.find(cluster=tag, states=[InstanceState.STOPPED]) == []
    assert one.id in [found.id for found in ec2.instances.find(group_id=one.group_ids[0])]
    assert ec2.instances.find(cluster="nobody") == []


def test_find_reads_all_pages(ec2: Ec2, request_of: RequestOf, monkeypatch: pytest.MonkeyPatch) -> None:
    request = request_of(count=7)
    made = ec2.instances.launch(request)
    monkeypatch.setattr(ec2.api, "page_size", 5)
    assert {one.id for one in ec2.instances.find(cluster=request.tags["@sc-cluster"])} == {one.id for one in made}
    assert len(made) == 7


def test_the_same_token_never_makes_a_second_instance(ec2: Ec2, request_of: RequestOf) -> None:
    request = request_of()
    [first] = ec2.instances.launch(request)
    assert [one.id for one in ec2.instances.launch(request)] == [first.id]
    assert len(ec2.instances.find(cluster=request.tags["@sc-cluster"])) == 1
    with pytest.raises(exception.TokenSpent) as caught:
        ec2.instances.launch(dataclasses.replace(request, instance_type="t3.small"))
    assert caught.value.code == "IdempotentParameterMismatch"


def test_the_token_of_a_dead_instance_is_spent(ec2: Ec2, request_of: RequestOf, until: Until) -> None:
    request = request_of()
    [one] = ec2.instances.launch(request)
    ec2.instances.terminate([one.id])
    until(lambda: ec2.instances.get(one.id).state.is_gone, "terminated")
    with pytest.raises(exception.TokenSpent) as caught:
        ec2.instances.launch(request)
    assert caught.value.code == "IdempotentInstanceTerminated"


def test_stop_start_and_terminate(ec2: Ec2, launched: Launched, until: Until) -> None:
    one = launched()
    ec2.instances.stop([one.id])
    until(lambda: ec2.instances.get(one.id).state is InstanceState.STOPPED, "stopped")
    assert ec2.instances.get(one.id).public_ip == ""
    ec2.instances.start([one.id])
    until(lambda: ec2.instances.get(one.id).state is InstanceState.RUNNING, "running again")
    ec2.instances.reboot([one.id])
    ec2.instances.terminate([one.id])
    ec2.instances.terminate([one.id])
    until(lambda: ec2.instances.get(one.id).state.is_gone, "terminated")
    assert ec2.instances.get(one.id).reason_code == "Client.UserInitiatedShutdown"


def test_tags_come_and_go(ec2: Ec2, launched: Launched) -> None:
    one = launched()
    ec2.instances.tag([one.id], {"@sc-ready": "boot", "User": "me"})
    ec2.instances.untag([one.id], ["User", "never-there"])
    assert ec2.instances.get(one.id).tags == {**one.tags, "@sc-ready": "boot"}


def test_the_console_tells_the_host_keys(ec2: Ec2, launched: Launched, until: Until) -> None:
    one = launched()
    until(lambda: "-----BEGIN SSH HOST KEY KEYS-----" in ec2.instances.console(one.id), "host keys")


def test_groups_subnet_and_a_public_address_that_is_not_wanted(ec2: Ec2, launched: Launched) -> None:
    group = ec2.network.create_group("door-group", "for a test", ec2.network.default_vpc())
    [subnet] = ec2.network.subnets(zone="us-east-1b")
    one = launched(zone="us-east-1b", subnet_id=subnet.id, group_ids=(group.id,), public_ip=False)
    assert (one.subnet_id, one.zone, one.group_ids) == (subnet.id, "us-east-1b", (group.id,))
    assert one.group_names == ("door-group",)
    assert one.public_ip == ""


def test_a_larger_root_volume(ec2: Ec2, launched: Launched) -> None:
    [root] = launched(root_volume=RootVolume(size=12)).block_devices
    volume = ec2.volumes.get(root.volume_id)
    assert (volume.size, volume.kind, root.delete_on_termination) == (12, "gp3", True)


def test_a_dry_run_launches_nothing(ec2: Ec2, request_of: RequestOf) -> None:
    request = request_of()
    ec2.instances.check_launch(request)
    assert ec2.instances.find(cluster=request.tags["@sc-cluster"]) == []
    with pytest.raises(exception.KeyPairDoesNotExist):
        ec2.instances.check_launch(dataclasses.replace(request, key_name="nokey"))


@pytest.mark.parametrize(
    ("changes", "kind", "code"),
    [
        ({"image_id": "ami-0123456789abcdef0"}, exception.ImageDoesNotExist, "InvalidAMIID.NotFound"),
        ({"key_name": "nokey"}, exception.KeyPairDoesNotExist, "InvalidKeyPair.NotFound"),
        ({"group_ids": ("sg-0123456789abcdef0",)}, exception.SecurityGroupDoesNotExist, "InvalidGroup.NotFound"),
        ({"subnet_id": "subnet-0123456789abcdef0"}, exception.SubnetDoesNotExist, "InvalidSubnetID.NotFound"),
        ({"instance_type": "t9.huge"}, exception.UserMustAct, None),
        ({"zone": "us-east-1z"}, exception.UserMustAct, None),
        ({"user_data": b"x" * 17000}, exception.UserMustAct, None),
        ({"market": Market.SPOT, "max_price": 0.0001}, exception.UserMustAct, None),
    ],
)
def test_what_ec2_refuses(
    ec2: Ec2, request_of: RequestOf, changes: dict[str, object], kind: type[exception.AWSError], code: str | None
) -> None:
    with pytest.raises(kind) as caught:
        ec2.instances.launch(request_of(**changes))
    assert code in (None, caught.value.code)


def test_a_shortage_is_told_at_once(ec2: Ec2, folder: Path, request_of: RequestOf) -> None:
    control.call(folder, "capacity", type="c5.large", zone="us-east-1a", count=0, market="all")
    before = control.call(folder, "log", after=0)["entries"]
    with pytest.raises(exception.ShortageError) as caught:
        ec2.instances.launch(request_of(instance_type="c5.large"))
    assert caught.value.code == "InsufficientInstanceCapacity"
    calls = control.call(folder, "log", after=len(before))["entries"]
    assert sum(one.get("action") == "RunInstances" for one in calls) == 1, "a shortage must not be hammered"
    control.call(folder, "capacity", type="c5.large", zone="us-east-1a", count=None, market="all")


def test_types_and_where_they_are_offered(ec2: Ec2) -> None:
    info = ec2.instances.type_info("t3.micro")
    assert (info.vcpus, info.memory_mib, info.architectures) == (2, 1024, ("x86_64",))
    assert "spot" in info.usage_classes
    assert "us-east-1a" in ec2.instances.offered_zones("t3.micro")
    assert ec2.instances.offered_zones("t9.huge") == set()
    with pytest.raises(exception.UserMustAct):
        ec2.instances.type_info("t9.huge")


def test_an_instance_that_does_not_exist(ec2: Ec2) -> None:
    with pytest.raises(exception.InstanceDoesNotExist):
        ec2.instances.get("i-00000000000000000")
    with pytest.raises(exception.InstanceDoesNotExist):
        ec2.instances.terminate(["i-00000000000000000"])


# -- spot


def test_a_spot_instance_has_a_tagged_request(ec2: Ec2, launched: Launched) -> None:
    one = launched(market=Market.SPOT, max_price=0.01)
    assert one.market is Market.SPOT
    [request] = ec2.spot.find(cluster=one.tags["@sc-cluster"])
    assert (request.id, request.instance_id, request.state) == (one.spot_request_id, one.id, SpotState.ACTIVE)
    assert (request.code, request.kind, request.price) == ("fulfilled", "one-time", 0.01)
    assert (request.instance_type, request.zone, request.tags) == ("t3.micro", "us-east-1a", one.tags)
    assert [found.id for found in ec2.spot.find(instance_ids=[one.id])] == [request.id]
    assert [found.id for found in ec2.spot.find(ids=[request.id])] == [request.id]


def test_an_interruption_closes_the_request_before_the_instance_ends(
    ec2: Ec2, folder: Path, launched: Launched, until: Until
) -> None:
    one = launched(market=Market.SPOT)
    # the notice is so long that the instance is seen to run on
    control.call(folder, "interrupt", instance_id=one.id, notice=120)
    [request] = ec2.spot.find(ids=[one.spot_request_id])
    assert (request.state, request.code) == (SpotState.CLOSED, "instance-terminated-no-capacity")
    until(lambda: ec2.instances.get(one.id).state.is_gone, "terminated")
    assert ec2.instances.get(one.id).reason_code == "Server.SpotInstanceTermination"


def test_cancelling_a_request_leaves_its_instance(ec2: Ec2, launched: Launched) -> None:
    one = launched(market=Market.SPOT)
    ec2.spot.cancel([one.spot_request_id])
    ec2.spot.cancel([])
    [request] = ec2.spot.find(ids=[one.spot_request_id])
    assert (request.state, request.code) == (SpotState.CANCELLED, "request-canceled-and-instance-running")
    assert ec2.instances.get(one.id).state is InstanceState.RUNNING


def test_prices(ec2: Ec2, folder: Path) -> None:
    usual = ec2.spot.current_prices(["t3.nano"], ["us-east-1a"])["t3.nano", "us-east-1a"]
    assert 0 < usual < 1
    control.call(folder, "price", type="t3.nano", zone="us-east-1a", value=0.0421)
    prices = ec2.spot.current_prices(["t3.nano"])
    assert prices["t3.nano", "us-east-1a"] == 0.0421
    assert prices["t3.nano", "us-east-1b"] != 0.0421
    now = datetime.now(UTC)
    history = ec2.spot.history("t3.nano", "us-east-1a", now - timedelta(days=1), now)
    assert {one.zone for one in history} == {"us-east-1a"}
    assert history[-1].price == 0.0421
    assert [one.at for one in history] == sorted(one.at for one in history)
    control.call(folder, "price", type="t3.nano", zone="us-east-1a", value=None)


def test_no_price_for_what_is_not_offered(ec2: Ec2) -> None:
    assert ec2.spot.current_prices(["t9.huge"]) == {}
