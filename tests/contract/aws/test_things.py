"""Volumes, images, network, keys, templates and the errors' way through the door, at the local cloud's real API."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from starcluster import exception
from starcluster.aws.session import Ec2
from starcluster.cloud import Cloud
from starcluster.localcloud import control
from starcluster.model import AttachmentState, Instance, Permission, Volume, VolumeState

Until = Callable[..., object]
Launched = Callable[..., Instance]


def test_a_volume_by_id_and_by_name(ec2: Ec2, volume: Volume) -> None:
    assert (volume.size, volume.zone, volume.kind, volume.holder) == (1, "us-east-1a", "gp3", None)
    assert ec2.volumes.get(volume.name) == volume
    assert ec2.volumes.find(names=[volume.name], filters={"availability-zone": "us-east-1a"}) == [volume]
    assert ec2.volumes.find(ids=[volume.id], filters={"status": "in-use"}) == []
    with pytest.raises(exception.VolumeDoesNotExist):
        ec2.volumes.get("vol-00000000000000000")
    with pytest.raises(exception.VolumeDoesNotExist):
        ec2.volumes.get("nosuch")


def test_two_volumes_of_one_name_must_be_told_apart(
    ec2: Ec2, volume: Volume, make_volume: Callable[..., Volume]
) -> None:
    make_volume("us-east-1b", tags={"Name": volume.name})
    with pytest.raises(exception.UserMustAct, match=volume.id):
        ec2.volumes.get(volume.name)


def test_the_same_token_makes_one_volume(ec2: Ec2, make_volume: Callable[..., Volume]) -> None:
    first = make_volume(token="door-token")
    assert ec2.volumes.create(1, "us-east-1a", token="door-token").id == first.id
    with pytest.raises(exception.TokenSpent):
        ec2.volumes.create(2, "us-east-1a", token="door-token")


def test_attach_and_detach(ec2: Ec2, volume: Volume, launched: Launched, until: Until) -> None:
    one, other = launched(), launched()
    ec2.volumes.attach(volume.id, one.id, "/dev/sdf")
    held = until(lambda: attached(ec2, volume), "attached")
    assert (held.instance_id, held.device) == (one.id, "/dev/sdf")
    assert [device.volume_id for device in ec2.instances.get(one.id).data_devices] == [volume.id]
    with pytest.raises(exception.ConflictError) as caught:
        ec2.volumes.attach(volume.id, other.id, "/dev/sdf")
    assert caught.value.code == "VolumeInUse"
    with pytest.raises(exception.ConflictError):
        ec2.volumes.delete(volume.id)
    ec2.volumes.detach(volume.id, instance_id=one.id)
    until(lambda: ec2.volumes.get(volume.id).state is VolumeState.AVAILABLE, "free")
    ec2.volumes.detach(volume.id)
    ec2.volumes.attach(volume.id, other.id, "/dev/sdf")
    until(lambda: attached(ec2, volume), "attached again")
    ec2.volumes.detach(volume.id)
    until(lambda: ec2.volumes.get(volume.id).holder is None, "free again")


def attached(ec2: Ec2, volume: Volume) -> object:
    holder = ec2.volumes.get(volume.id).holder
    return holder if holder and holder.state is AttachmentState.ATTACHED else None


def test_a_volume_stays_in_its_zone(ec2: Ec2, volume: Volume, launched: Launched) -> None:
    one = launched(zone="us-east-1b")
    with pytest.raises(exception.ConflictError) as caught:
        ec2.volumes.attach(volume.id, one.id, "/dev/sdf")
    assert caught.value.code == "InvalidVolume.ZoneMismatch"
    assert caught.value.hint


def test_a_volume_outlives_its_instance(ec2: Ec2, volume: Volume, launched: Launched, until: Until) -> None:
    one = launched()
    root = one.block_devices[0].volume_id
    ec2.volumes.attach(volume.id, one.id, "/dev/sdf")
    until(lambda: attached(ec2, volume), "attached")
    ec2.instances.terminate([one.id])
    until(lambda: ec2.volumes.get(volume.id).state is VolumeState.AVAILABLE, "free")
    until(lambda: not ec2.volumes.find(ids=[root]), "root volume gone")


def test_tags_and_deletion(ec2: Ec2, make_volume: Callable[..., Volume]) -> None:
    made = make_volume()
    ec2.volumes.tag(made.id, {"team": "a", "bare": ""})
    assert ec2.volumes.get(made.id).tags == {"team": "a", "bare": ""}
    assert ec2.snapshots.of_volumes([made.id]) == {made.id: []}
    ec2.volumes.delete(made.id)
    ec2.volumes.delete(made.id)
    assert [one for one in ec2.volumes.find(ids=[made.id]) if one.state is not VolumeState.DELETED] == []


def test_images_by_name_parameter_and_id(ec2: Ec2) -> None:
    image = ec2.images.resolve("ubuntu-24.04")
    assert (image.login_user, image.architecture, image.state) == ("ubuntu", "x86_64", "available")
    assert ec2.images.resolve(image.id) == image
    parameter = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
    assert ec2.images.resolve(parameter) == image
    assert ec2.images.resolve("resolve:ssm:" + parameter) == image
    assert ec2.images.resolve("ubuntu-22.04").id != image.id
    assert ec2.images.resolve("amazon-linux-2023").login_user == "ec2-user"
    assert ec2.images.resolve("ubuntu-24.04", architecture="arm64").architecture == "arm64"


@pytest.mark.parametrize("name", ["ami-0123456789abcdef0", "ubuntu-3.11", "/aws/service/nothing"])
def test_images_that_do_not_exist(ec2: Ec2, name: str) -> None:
    with pytest.raises(exception.ImageDoesNotExist):
        ec2.images.resolve(name)


def test_a_security_group_and_its_rules(ec2: Ec2) -> None:
    group = ec2.network.create_group("@sc-door", "a test", ec2.network.default_vpc(), {"@sc-cluster": "door"})
    ssh = Permission(protocol="tcp", from_port=22, to_port=22, cidr="127.0.0.1/32", description="ssh")
    inside = Permission(protocol="-1", from_port=-1, to_port=-1, group_id=group.id)
    ec2.network.authorize(group.id, [ssh, inside])
    ec2.network.authorize(group.id, [ssh, inside])
    found = ec2.network.group("@sc-door")
    assert found is not None
    assert set(found.permissions) == {ssh, inside}
    assert (found.id, found.tags, found.vpc_id) == (group.id, {"@sc-cluster": "door"}, ec2.network.default_vpc())
    ec2.network.revoke(group.id, [ssh])
    ec2.network.revoke(group.id, [ssh])
    ec2.network.tag_group(group.id, {"a": "b", "c": "d"})
    ec2.network.untag_group(group.id, ["a"])
    [found] = [one for one in ec2.network.groups("@sc-") if one.id == group.id]
    assert found.permissions == (inside,)
    assert found.tags == {"@sc-cluster": "door", "c": "d"}
    with pytest.raises(exception.ConflictError) as caught:
        ec2.network.create_group("@sc-door", "again", ec2.network.default_vpc())
    assert caught.value.code == "InvalidGroup.Duplicate"
    ec2.network.delete_group(group.id)
    ec2.network.delete_group(group.id)
    assert ec2.network.group("@sc-door") is None


def test_a_group_in_use_is_not_deleted(ec2: Ec2, launched: Launched, until: Until) -> None:
    group = ec2.network.create_group("@sc-used", "a test", ec2.network.default_vpc())
    one = launched(group_ids=(group.id,))
    with pytest.raises(exception.ConflictError) as caught:
        ec2.network.delete_group(group.id)
    assert caught.value.code == "DependencyViolation"
    ec2.instances.terminate([one.id])
    until(lambda: ec2.instances.get(one.id).state.is_gone, "terminated")
    ec2.network.delete_group(group.id)


def test_subnets_and_zones(ec2: Ec2) -> None:
    zones = {zone.name for zone in ec2.network.zones()}
    assert {"us-east-1a", "us-east-1f"} <= zones
    [subnet] = ec2.network.subnets(vpc_id=ec2.network.default_vpc(), zone="us-east-1c")
    assert (subnet.zone, subnet.default_for_zone, subnet.public_ips) == ("us-east-1c", True, True)
    assert subnet.free_addresses > 1000
    assert ec2.network.subnets(ids=[subnet.id]) == [subnet]
    assert ec2.region in ec2.network.regions()


def test_key_pairs(ec2: Ec2, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "k")], check=True)
    public = (tmp_path / "k.pub").read_text()
    ec2.network.import_key("door-key", public)
    with pytest.raises(exception.ConflictError):
        ec2.network.import_key("door-key", public)
    found = ec2.network.key_pair("door-key")
    assert found is not None
    assert found.public_key.split()[:2] == public.split()[:2]
    assert found.kind == "ed25519"
    pair, secret = ec2.network.create_key("door-new")
    assert "PRIVATE KEY" in secret
    assert pair.fingerprint
    assert {"door-key", "door-new", "local"} <= {one.name for one in ec2.network.key_pairs()}
    for name in ("door-key", "door-new", "never-there"):
        ec2.network.delete_key(name)
    assert ec2.network.key_pair("door-key") is None


def test_a_launch_template_as_a_record(ec2: Ec2) -> None:
    tags = {"@sc-cluster": "door", "@sc-schema": "1"}
    made = ec2.templates.create("sc-door-mynode", tags, {"InstanceType": "t3.micro"})
    assert made.tags == tags
    with pytest.raises(exception.ConflictError):
        ec2.templates.create("sc-door-mynode", tags, {"InstanceType": "t3.micro"})
    ec2.templates.tag(made.id, {"generation": "2", "outcome": ""})
    ec2.templates.untag(made.id, ["outcome", "never-there"])
    found = ec2.templates.get("sc-door-mynode")
    assert found is not None
    assert (found.id, found.tags) == (made.id, {**tags, "generation": "2"})
    assert ec2.templates.find(cluster="door") == [found]
    assert ec2.templates.find(cluster="other") == []
    with pytest.raises(exception.QuotaError) as caught:
        ec2.templates.tag(made.id, {f"key{number}": "x" for number in range(60)})
    assert caught.value.code == "TagLimitExceeded"
    ec2.templates.delete(made.id)
    ec2.templates.delete(made.id)
    assert ec2.templates.get("sc-door-mynode") is None


def test_what_it_costs(ec2: Ec2) -> None:
    assert ec2.prices.on_demand("t3.micro") == 0.0104
    assert ec2.prices.on_demand("u-24tb1.metal") is None


# -- errors on the way


def test_an_outage_is_asked_again(ec2: Ec2, folder: Path) -> None:
    control.call(folder, "fault", action="DescribeVolumes", code="Unavailable", times=2)
    assert ec2.volumes.find(names=["nothing"]) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_half_an_answer_is_no_answer(ec2: Ec2, folder: Path, when: str) -> None:
    """No list that is merely shorter than the truth, and no error of a parser that nobody expects."""
    control.call(folder, "fault", action="DescribeVolumes", code="CutAnswer", times=1, when=when)
    with pytest.raises(exception.TransientError, match="can not list volumes: the answer was cut short"):
        ec2.volumes.find()
    ec2.volumes.find()


def test_a_read_is_whole_or_an_error(ec2: Ec2, folder: Path) -> None:
    control.call(folder, "fault", action="DescribeInstances", code="Unavailable", times=50)
    with pytest.raises(exception.TransientError) as caught:
        ec2.instances.find()
    assert caught.value.code == "Unavailable"
    control.call(folder, "clear")


def test_wrong_keys_are_told_as_such(cloud: Cloud) -> None:
    stranger = Ec2(dataclasses.replace(cloud, secret_key="wrong"))
    with pytest.raises(exception.CredentialsError) as caught:
        stranger.instances.find()
    assert "local" in caught.value.hint


def test_nothing_of_the_users_aws_set_up_reaches_the_local_cloud(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile that does not exist, a dead endpoint and a proxy would each break a careless client."""
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://127.0.0.1:9\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "nosuch")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "stale")
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    ec2 = Ec2(cloud)
    assert {zone.region for zone in ec2.network.zones()} == {"us-east-1"}
    assert ec2.images.resolve("ubuntu-24.04").id


def test_a_cloud_that_is_gone_is_told_as_such(cloud: Cloud) -> None:
    nobody = Ec2(dataclasses.replace(cloud, endpoint_url="http://127.0.0.1:9"))
    with pytest.raises(exception.TransientError) as caught:
        nobody.api.launch("describe_instances", what="look")
    assert "starcluster local status" in caught.value.hint


def test_an_instances_checks(ec2: Ec2, launched: Launched, until: Until) -> None:
    instance = launched()
    assert ec2.instances.checks(instance.id).startswith("system ")
    ec2.instances.terminate([instance.id])
    until(lambda: not ec2.instances.get(instance.id).state.is_alive, "ended")
    assert ec2.instances.checks(instance.id) == "none"


def test_many_records_are_tagged_by_one_call(ec2: Ec2) -> None:
    made = [ec2.templates.create(f"sc-c-n{number}", {}, {"ImageId": "ami-1"}) for number in range(3)]
    ec2.templates.tag_all([one.id for one in made], {"@sc-lease": "x"})
    found = [ec2.templates.get(one.name) for one in made]
    assert [one.tags if one else None for one in found] == [{"@sc-lease": "x"}] * 3
    for one in made:
        ec2.templates.delete(one.id)
