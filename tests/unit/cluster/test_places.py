"""Where a cluster and its workers may be."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster import places
from starcluster.config.schema import ClusterTemplate
from starcluster.model import Subnet, Volume, VolumeState
from tests.fakes.ec2 import VPC, FakeEc2

A, B, C = "us-east-1a", "us-east-1b", "us-east-1c"


@pytest.fixture
def ec2() -> FakeEc2:
    return FakeEc2(zones=(A, B, C))


def volume(zone: str) -> Volume:
    return Volume(id=f"vol-{zone}", state=VolumeState.AVAILABLE, size=1, zone=zone)


def found(
    ec2: FakeEc2, template: ClusterTemplate, own: str = "", plugins: str = "", **changes: Any
) -> tuple[str, tuple[str, ...]]:
    volumes, wanted = ([volume(zone)] if zone else [] for zone in (own, plugins))
    return places.zones_of(ec2, dataclasses.replace(template, **changes), volumes, wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "own", "plugins", "place", "zones"),
    [
        ("", "", "", "", ()),
        (A, "", "", A, ()),
        ("", B, "", B, ()),
        (f"{A}, {B}", "", "", "", (A, B)),
        (f"{A},{B},{A}", B, "", B, (A, B)),
        ("any", "", "", "", (A, B, C)),
        ("Any", C, "", C, (A, B, C)),
        (f"{A}, {B}", "", B, B, ()),
    ],
)
def test_what_is_said_decides(
    ec2: FakeEc2, template: ClusterTemplate, given: str, own: str, plugins: str, place: str, zones: tuple[str, ...]
) -> None:
    """A volume decides the master's zone; one that a plugin brings to some node decides everybody's."""
    assert found(ec2, template, own, plugins, availability_zone=given) == (place, zones)


def test_volumes_in_another_zone_are_refused(ec2: FakeEc2, template: ClusterTemplate) -> None:
    with pytest.raises(exception.VolumesZoneError, match=f"the volumes are in {C}"):
        found(ec2, template, C, availability_zone=f"{A}, {B}")
    with pytest.raises(exception.VolumesZoneError, match="several zones"):
        found(ec2, template, A, B)


def with_subnet(ec2: FakeEc2, **facts: Any) -> str:
    words: dict[str, Any] = {"zone": B, "free_addresses": 9, "default_for_zone": False, "public_ips": True, **facts}
    mine = Subnet(id="subnet-mine", vpc_id=VPC, cidr="172.31.9.0/24", **words)
    subnets = ec2.network.subnets
    ec2.network.subnets = (  # type: ignore[method-assign]
        lambda vpc_id="", zone="", ids=(): [mine] if list(ids) == [mine.id] else [] if ids else subnets(vpc_id, zone)
    )
    return mine.id


def test_a_subnet_is_the_masters(ec2: FakeEc2, template: ClusterTemplate) -> None:
    subnet = with_subnet(ec2)
    assert found(ec2, template, subnet_id=subnet) == (B, ())
    assert found(ec2, template, subnet_id=subnet, availability_zone="any") == (B, (A, B, C))
    with pytest.raises(exception.InvalidZone, match=f"the cluster has to be in {A}"):
        found(ec2, template, subnet_id=subnet, availability_zone=A)
    with pytest.raises(exception.InvalidZone, match=f"is in {B}, the cluster has to be in {C}"):
        found(ec2, template, C, subnet_id=subnet)
    with pytest.raises(exception.SubnetDoesNotExist):
        found(ec2, template, subnet_id="subnet-none")


def test_a_full_subnet_is_refused(ec2: FakeEc2, template: ClusterTemplate) -> None:
    with pytest.raises(exception.ClusterValidationError, match="1 free addresses, 2 are needed"):
        found(ec2, template, subnet_id=with_subnet(ec2, free_addresses=1))


def test_zones_are_looked_up(ec2: FakeEc2) -> None:
    places.check_zones(ec2, ["", A, B])  # type: ignore[arg-type]
    with pytest.raises(exception.InvalidZone, match="us-east-1x"):
        places.check_zones(ec2, [A, "us-east-1x"])  # type: ignore[arg-type]
