"""Groups by their names: EC2's filters know wildcards, and a name may be taken in several VPCs."""

from __future__ import annotations

import fnmatch
from types import SimpleNamespace
from typing import Any

import pytest

from starcluster import exception
from starcluster.aws.network import Network
from starcluster.model import Subnet


class Groups:
    """An Api with these groups, which filters as EC2 does."""

    page_size = 1000
    access = SimpleNamespace(region="us-east-1")

    def __init__(self, *groups: tuple[str, str]) -> None:
        self.groups = groups

    def pages(self, operation: str, key: str, **words: Any) -> list[dict[str, Any]]:
        [wanted] = words["Filters"]
        return [
            {"GroupId": f"sg-{number}", "GroupName": name, "VpcId": vpc}
            for number, (name, vpc) in enumerate(self.groups, 1)
            if fnmatch.fnmatchcase(name, wanted["Values"][0])
        ]


def group(name: str, *groups: tuple[str, str]) -> Any:
    return Network(Groups(*groups)).group(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["@sc-*", "@sc-?ine", "@sc-[m]ine", "@sc-"])
def test_a_pattern_is_no_clusters_name(name: str) -> None:
    """`terminate 'm*'` must not end the first cluster that it fits."""
    assert group(name, ("@sc-mine", "vpc-1")) is None


def test_the_group_of_that_name() -> None:
    assert group("@sc-mine", ("@sc-other", "vpc-1"), ("@sc-mine", "vpc-1")).id == "sg-2"


def test_two_clusters_of_one_name_are_told_with_their_ids() -> None:
    with pytest.raises(exception.UserMustAct, match=r"2 security groups .*: sg-1 in vpc-1, sg-2 in vpc-2") as caught:
        group("@sc-mine", ("@sc-mine", "vpc-1"), ("@sc-mine", "vpc-2"))
    assert "one cluster only" in caught.value.hint


class Routes:
    """An Api of one VPC: the main table, and one for subnet-own."""

    def __init__(self, main: list[dict[str, str]], own: list[dict[str, str]] | None = None) -> None:
        self.main, self.own = main, own

    def pages(self, operation: str, key: str, **words: Any) -> list[dict[str, Any]]:
        wanted = {one["Name"]: one["Values"] for one in words["Filters"]}
        if "association.subnet-id" in wanted:
            return [{"Routes": self.own}] if self.own is not None else []
        assert wanted == {"vpc-id": ["vpc-1"], "association.main": ["true"]}
        return [{"Routes": self.main}]


LOCAL = {"DestinationCidrBlock": "172.31.0.0/16", "GatewayId": "local"}
OUT = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"}
NAT = {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1"}


@pytest.mark.parametrize(
    ("routes", "reaches"),
    [
        (Routes([LOCAL, OUT]), True),
        (Routes([LOCAL]), False),
        (Routes([LOCAL, NAT]), False),
        # a table of its own counts, and not the main one
        (Routes([LOCAL, OUT], [LOCAL]), False),
        (Routes([LOCAL], [LOCAL, OUT]), True),
    ],
)
def test_a_subnet_reaches_the_internet_by_a_gateway(routes: Routes, reaches: bool) -> None:
    subnet = Subnet(
        id="subnet-own",
        vpc_id="vpc-1",
        zone="a",
        cidr="",
        free_addresses=1,
        default_for_zone=False,
        public_ips=True,
    )
    assert Network(routes).reaches_internet(subnet) is reaches  # type: ignore[arg-type]
