"""What is sent to EC2 and what is made of its answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from starcluster import exception
from starcluster.aws import api, forms
from starcluster.aws.images import login_user, parameter_name
from starcluster.aws.instances import _place, launch_parameters
from starcluster.aws.prices import price_of
from starcluster.model import LaunchRequest, Market, Permission


def request(**changes: Any) -> LaunchRequest:
    words: dict[str, Any] = {
        "image_id": "ami-1",
        "instance_type": "t3.micro",
        "zone": "us-east-1a",
        "market": Market.SPOT,
        "token": "one",
        "tags": {"alias": "mynode"},
        "key_name": "local",
        "group_ids": ("sg-1",),
    }
    return LaunchRequest(**{**words, **changes})


def test_a_spot_launch_is_one_time_tagged_whole_and_ends_for_good() -> None:
    sent = launch_parameters(request(max_price=0.25))
    assert sent["InstanceMarketOptions"]["SpotOptions"] == {
        "SpotInstanceType": "one-time",
        "InstanceInterruptionBehavior": "terminate",
        "MaxPrice": "0.25",
    }
    kinds = {one["ResourceType"] for one in sent["TagSpecifications"]}
    assert kinds == {"instance", "volume", "network-interface", "spot-instances-request"}
    assert sent["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert sent["MetadataOptions"]["HttpTokens"] == "required"
    assert (sent["MinCount"], sent["MaxCount"], sent["ClientToken"]) == (1, 1, "one")


def test_without_a_bid_no_price_is_named() -> None:
    assert "MaxPrice" not in launch_parameters(request())["InstanceMarketOptions"]["SpotOptions"]


def test_a_tiny_price_is_not_written_with_an_exponent() -> None:
    assert (
        launch_parameters(request(max_price=0.00001))["InstanceMarketOptions"]["SpotOptions"]["MaxPrice"] == "0.00001"
    )
    assert launch_parameters(request(max_price=10.0))["InstanceMarketOptions"]["SpotOptions"]["MaxPrice"] == "10"


def test_an_on_demand_launch_can_be_stopped_and_names_no_spot_request() -> None:
    sent = launch_parameters(request(market=Market.ON_DEMAND))
    assert "InstanceMarketOptions" not in sent
    assert sent["InstanceInitiatedShutdownBehavior"] == "stop"
    assert "spot-instances-request" not in {one["ResourceType"] for one in sent["TagSpecifications"]}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({}, {"Placement": {"AvailabilityZone": "us-east-1a"}, "SecurityGroupIds": ["sg-1"]}),
        ({"subnet_id": "subnet-1"}, {"SubnetId": "subnet-1", "SecurityGroupIds": ["sg-1"]}),
        (
            {"subnet_id": "subnet-1", "public_ip": False},
            {
                "NetworkInterfaces": [
                    {
                        "DeviceIndex": 0,
                        "AssociatePublicIpAddress": False,
                        "Groups": ["sg-1"],
                        "DeleteOnTermination": True,
                        "SubnetId": "subnet-1",
                    }
                ]
            },
        ),
    ],
)
def test_where_it_is_launched(changes: dict[str, Any], place: dict[str, Any]) -> None:
    assert _place(request(**changes)) == place


def test_permissions_go_there_and_back() -> None:
    rules = [
        Permission(protocol="tcp", from_port=22, to_port=22, cidr="10.0.0.0/8", description="ssh"),
        Permission(protocol="-1", from_port=-1, to_port=-1, group_id="sg-1"),
        Permission(protocol="icmp", from_port=-1, to_port=-1, cidr="0.0.0.0/0"),
    ]
    answer = {"GroupId": "sg-1", "GroupName": "g", "IpPermissions": [forms.permission_answer(rule) for rule in rules]}
    assert forms.security_group(answer).permissions == tuple(rules)


def test_rules_that_ec2_bundles_are_told_apart() -> None:
    answer = {
        "GroupId": "sg-1",
        "GroupName": "g",
        "IpPermissions": [
            {
                "IpProtocol": "tcp",
                "FromPort": 1,
                "ToPort": 2,
                "IpRanges": [{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "11.0.0.0/8"}],
                "UserIdGroupPairs": [{"GroupId": "sg-2"}],
            }
        ],
    }
    assert len(forms.security_group(answer).permissions) == 3


def test_filters_leave_out_what_is_not_asked() -> None:
    assert forms.filter_list({"a": "", "b": [], "c": "x", "d": ["y", "z"]}) == [
        {"Name": "c", "Values": ["x"]},
        {"Name": "d", "Values": ["y", "z"]},
    ]


def test_a_terminated_instance_as_ec2_shows_it_has_hardly_any_facts() -> None:
    one = forms.instance({"InstanceId": "i-1", "State": {"Name": "terminated"}})
    assert (one.public_ip, one.tags, one.block_devices) == ("", {}, ())


@pytest.mark.parametrize(
    ("answer", "user"),
    [
        ({"OwnerId": "099720109477", "Name": "x"}, "ubuntu"),
        ({"OwnerId": "137112412989", "Name": "al2023-ami-2023"}, "ec2-user"),
        ({"OwnerId": "136693071363", "Name": "debian-13"}, "admin"),
        ({"OwnerId": "898082745236", "Name": "Deep Learning Base GPU AMI (Ubuntu 24.04)"}, "ubuntu"),
        ({"OwnerId": "898082745236", "Name": "Deep Learning Base (Amazon Linux 2023)"}, "ec2-user"),
        ({"OwnerId": "1", "Name": "mine"}, "ubuntu"),
    ],
)
def test_who_may_log_in(answer: dict[str, str], user: str) -> None:
    assert login_user(answer) == user


def test_parameters_of_friendly_names() -> None:
    assert parameter_name("ubuntu-24.04", "x86_64").endswith("/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id")
    assert parameter_name("Ubuntu-22.04", "arm64").endswith("/22.04/stable/current/arm64/hvm/ebs-gp2/ami-id")
    assert parameter_name("amazon-linux-2023", "arm64").endswith("al2023-ami-kernel-default-arm64")
    assert parameter_name("resolve:ssm:/mine", "x86_64") == "/mine"
    assert parameter_name("ami-1", "x86_64") == ""


def test_the_price_in_a_price_list() -> None:
    product = (
        '{"terms": {"OnDemand": {"a": {"priceDimensions": {"b": {"unit": "Hrs", "pricePerUnit": {"USD": "0.5"}}}}}}}'
    )
    assert price_of([product]) == 0.5
    assert price_of([]) is None


# -- which client, how often


class Door(api.Api):
    """Counts clients and fails as told."""

    def __init__(self, code: str = "") -> None:
        super().__init__(SimpleNamespace(region="us-east-1", public=True))  # type: ignore[arg-type]
        self.code = code
        self.asked: list[tuple[str, int]] = []

    def client(self, service: str, attempts: int) -> Any:
        self.asked.append((service, attempts))

        def call(**_: Any) -> dict[str, str]:
            if self.code:
                raise ClientError({"Error": {"Code": self.code, "Message": ""}}, "X")
            return {}

        return SimpleNamespace(run_instances=call, describe_x=call, create_tags=call)


def test_launches_are_tried_once_reads_and_changes_more_often() -> None:
    door = Door()
    door.launch("run_instances", what="x")
    door.read("describe_x", what="x")
    door.change("create_tags", what="x")
    assert door.asked == [("ec2", 1), ("ec2", 6), ("ec2", 5)]


def test_every_failure_is_one_of_ours() -> None:
    with pytest.raises(exception.ShortageError):
        Door("InsufficientInstanceCapacity").launch("run_instances", what="x")
