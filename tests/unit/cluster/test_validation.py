"""What `start` refuses before it makes anything."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster import validation
from starcluster.cluster.cluster import Clusters
from starcluster.config.schema import ClusterTemplate, PermissionSettings, PluginSettings, TypeRun, VolumeSettings
from starcluster.ssh import keys
from tests.fakes.ec2 import FakeEc2


@pytest.fixture(autouse=True)
def _key_pair(ec2: FakeEc2, key_file: Path) -> None:
    public = keys.get_public_key(keys.read_private_key(key_file))
    ec2.network.import_key("mykey", public)


def check(clusters: Clusters, template: ClusterTemplate, **changes: Any) -> validation.Prepared:
    prepared = validation.prepare(clusters, "c", dataclasses.replace(template, **changes))
    validation.validate(clusters, prepared)
    return prepared


def home(volume_id: str, path: str = "/home", **more: Any) -> VolumeSettings:
    return VolumeSettings(name=more.pop("name", "home"), volume_id=volume_id, mount_path=path, **more)


def test_a_good_template_passes_and_makes_nothing(clusters: Clusters, template: ClusterTemplate, ec2: FakeEc2) -> None:
    check(clusters, template)
    assert ec2.instances.all == {}
    assert ec2.network.groups("@sc-") == []


def test_volumes_decide_the_zone_and_are_found_by_name(
    clusters: Clusters, template: ClusterTemplate, ec2: FakeEc2
) -> None:
    volume = ec2.volumes.create(1, "us-east-1b", tags={"Name": "mine"})
    ec2.advance()
    prepared = check(clusters, template, volumes=(home("mine"),))
    assert prepared.record.zone == "us-east-1b"
    assert prepared.record.volumes[0].volume_id == volume.id


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"cluster_size": 0}, exception.ConfigSettingError, "CLUSTER_SIZE"),
        ({"spot_bid": -1.0}, exception.ConfigSettingError, "SPOT_BID"),
        ({"cluster_user": "root"}, exception.ConfigSettingError, "CLUSTER_USER"),
        ({"type_runs": (TypeRun(instance_type="m5.large", count=2),)}, exception.ConfigSettingError, "room for 1"),
        ({"availability_zone": "us-east-1x"}, exception.InvalidZone, "us-east-1a"),
        ({"volumes": (home("nix"),)}, exception.VolumeDoesNotExist, "nix"),
        ({"volumes": (home("v", "home"),)}, exception.ConfigSettingError, "MOUNT_PATH"),
        ({"volumes": (home("v", "/"),)}, exception.ConfigSettingError, "MOUNT_PATH"),
        ({"volumes": (home("v"), home("w", name="x"))}, exception.ConfigSettingError, "another volume"),
        ({"volumes": (home("v", device="/dev/hda"),)}, exception.ConfigSettingError, "DEVICE"),
        (
            {"permissions": (PermissionSettings(name="p", from_port=9, to_port=8),)},
            exception.InvalidPortRange,
            "FROM_PORT",
        ),
        (
            {"permissions": (PermissionSettings(name="p", from_port=1, to_port=70000),)},
            exception.InvalidPortRange,
            "65535",
        ),
        (
            {"permissions": (PermissionSettings(name="p", from_port=1, to_port=2, cidr_ip="here"),)},
            exception.ConfigSettingError,
            "CIDR_IP",
        ),
        ({"userdata_scripts": ("/no/such/script",)}, exception.ConfigError, "/no/such/script"),
        (
            {
                "plugins": (
                    PluginSettings(
                        name="w",
                        setup_class="starcluster.plugins.spotworker.SpotWorker",
                        arguments={"nodes": "with_underscore"},
                    ),
                )
            },
            exception.InvalidAlias,
            "with_underscore",
        ),
    ],
)
def test_what_can_not_go_well_is_refused(
    clusters: Clusters,
    template: ClusterTemplate,
    changes: dict[str, Any],
    error: type[exception.BaseException],
    told: str,
) -> None:
    with pytest.raises(error) as caught:
        check(clusters, template, **changes)
    assert told in caught.value.explain()


def test_volumes_in_two_zones_or_another_zone_are_refused(
    clusters: Clusters, template: ClusterTemplate, ec2: FakeEc2
) -> None:
    one, two = (ec2.volumes.create(1, zone) for zone in ("us-east-1a", "us-east-1b"))
    ec2.advance()
    with pytest.raises(exception.VolumesZoneError, match="several zones"):
        check(clusters, template, volumes=(home(one.id), home(two.id, "/data", name="data")))
    with pytest.raises(exception.VolumesZoneError, match="AVAILABILITY_ZONE"):
        check(clusters, template, volumes=(home(one.id),), availability_zone="us-east-1b")


def test_a_volume_that_a_living_node_holds_is_refused(
    clusters: Clusters, template: ClusterTemplate, ec2: FakeEc2
) -> None:
    from tests.unit.cluster.test_starting import begin

    other = begin(clusters, tag="other")
    volume = ec2.volumes.create(1, "us-east-1a")
    ec2.advance()
    ec2.volumes.attach(volume.id, other.master_node.id, "/dev/sdf")
    with pytest.raises(exception.ClusterValidationError, match=r"in use by master .* of cluster other"):
        check(clusters, template, volumes=(home(volume.id),))


def test_the_key_file_must_be_the_pairs(clusters: Clusters, template: ClusterTemplate, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.write_text(keys.generate_pem()[0])
    foreign.chmod(0o600)
    with pytest.raises(exception.KeyFileError, match="not the private key"):
        check(clusters, template, key_location=str(foreign))
    foreign.chmod(0o644)
    with pytest.raises(exception.KeyFileError, match="read by others"):
        check(clusters, template, key_location=str(foreign))


def test_an_unknown_key_pair_is_refused(clusters: Clusters, template: ClusterTemplate, ec2: FakeEc2) -> None:
    ec2.network.delete_key("mykey")
    with pytest.raises(exception.KeyPairDoesNotExist, match="mykey") as caught:
        check(clusters, template)
    assert "createkey mykey" in caught.value.hint


def test_options_of_the_command_line_beat_the_template(template: ClusterTemplate) -> None:
    changed = validation.with_options(template, cluster_size=9, spot_bid=None)
    assert (changed.cluster_size, changed.spot_bid) == (9, template.spot_bid)


def test_a_type_that_can_not_be_in_a_placement_group(clusters: Clusters, template: ClusterTemplate) -> None:
    check(clusters, template, placement_group=True, node_instance_type="c5.large")
    for unfit in ({"master_instance_type": "t3.micro"}, {"node_instance_types_or": ("t3.micro",)}):
        with pytest.raises(exception.ClusterValidationError, match=r"takes no t3\.micro into a placement group"):
            check(clusters, template, placement_group=True, **{"node_instance_type": "c5.large", **unfit})


@pytest.mark.parametrize(
    ("image", "kind", "told"),
    [
        ({"architecture": "arm64"}, {"architectures": ("x86_64",)}, "is for arm64, t3.micro takes x86_64"),
        (
            {"virtualization": "paravirtual"},
            {"virtualizations": ("hvm",)},
            "virtualized as paravirtual, t3.micro takes hvm",
        ),
        ({"root_device_type": "instance-store"}, {"root_devices": ("ebs",)}, "on instance-store, t3.micro takes ebs"),
        ({"state": "pending"}, {}, "is pending"),
        ({}, {"usage_classes": ("on-demand",)}, "t3.micro is not sold on spot"),
    ],
)
def test_what_a_type_can_not_run(
    clusters: Clusters,
    template: ClusterTemplate,
    ec2: FakeEc2,
    monkeypatch: pytest.MonkeyPatch,
    image: dict[str, Any],
    kind: dict[str, Any],
    told: str,
) -> None:
    found, known = ec2.images.get("ami-1"), ec2.instances.type_info("t3.micro")
    monkeypatch.setattr(ec2.images, "resolve", lambda *_, **__: dataclasses.replace(found, **image))
    monkeypatch.setattr(ec2.instances, "type_info", lambda _: dataclasses.replace(known, **kind))
    with pytest.raises(exception.ClusterValidationError, match=told):
        check(clusters, template, spot_bid=0.1)


@pytest.mark.parametrize(
    ("text", "is_secret"),
    [
        ("#!/bin/sh\nexport AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n", True),
        ("#!/bin/sh\nkey=AKIAIOSFODNN7EXAMPLE\n", True),
        ("#!/bin/sh\ncat > k <<E\n-----BEGIN OPENSSH PRIVATE KEY-----\n", True),
        ("#!/bin/sh\napt-get install -y git # AWS_SECRET_ACCESS_KEY comes from the role\n", False),
    ],
)
def test_a_secret_in_user_data_is_told(
    clusters: Clusters,
    template: ClusterTemplate,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    is_secret: bool,
) -> None:
    script = tmp_path / "script"
    script.write_text(text)
    check(clusters, template, userdata_scripts=(str(script),))
    assert (f"script {script} seems to hold a secret" in capsys.readouterr().out) is is_secret


def test_ssh_that_is_open_to_the_world_is_told(
    clusters: Clusters, template: ClusterTemplate, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = PermissionSettings(name="wide", from_port=22, to_port=22, cidr_ip="0.0.0.0/0")
    check(clusters, template, permissions=(wide,))
    assert "[permission wide] opens SSH to the whole world" in capsys.readouterr().out
    main = dataclasses.replace(clusters.config.globals, ssh_cidr=("0.0.0.0/0",))
    clusters.config = dataclasses.replace(clusters.config, globals=main)
    check(clusters, template)
    assert "SSH_CIDR = 0.0.0.0/0 opens SSH to the whole world" in capsys.readouterr().out


def test_user_data_and_tags_hold_no_secret(
    clusters: Clusters, template: ClusterTemplate, ec2: FakeEc2, key_file: Path
) -> None:
    """Neither the private key nor where it lies, nor the user's keys, go to EC2 with a launch."""
    from starcluster.cluster import starting

    settings = dataclasses.replace(clusters.config.aws, aws_secret_access_key="sesame-sesame")
    config = dataclasses.replace(clusters.config, aws=settings)
    mine = Clusters(ec2, config, clusters.clock, clusters.cloud)  # type: ignore[arg-type]
    prepared = check(mine, template)
    starting.start(mine, "c", prepared.record, prepared.plugins, create_only=True)
    [group] = ec2.network.all_groups.values()
    secret = key_file.read_text().splitlines()[1]
    for request in ec2.instances.requests.values():
        told = f"{request.user_data!r} {request.tags} {group.tags} {prepared.record}"
        assert secret not in told
        assert str(key_file) not in told
        assert "sesame-sesame" not in told


def test_a_subnet_without_a_way_out_has_no_public_addresses(
    clusters: Clusters, template: ClusterTemplate, ec2: FakeEc2
) -> None:
    ec2.network.private_subnets.add("subnet-0")
    check(clusters, template, subnet_id="subnet-0")
    check(clusters, template, subnet_id="subnet-0", public_ips=False)
    check(clusters, template, subnet_id="subnet-1", public_ips=True)
    with pytest.raises(exception.ClusterValidationError, match="no route to an internet gateway") as caught:
        check(clusters, template, subnet_id="subnet-0", public_ips=True)
    assert "SSH_PROXY" in caught.value.hint
