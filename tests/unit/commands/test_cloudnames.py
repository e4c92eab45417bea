"""What a shell is told of the cloud: every kind of name, each for itself."""

from __future__ import annotations

from starcluster.cluster.drives.drive import DRIVE, ENTRY
from starcluster.cluster.record import CLUSTER
from starcluster.commands import cloudnames
from starcluster.model import LaunchRequest, Market
from tests.fakes.ec2 import FakeEc2
from tests.fakes.trouble import fake_error


def test_every_kind_by_name_and_id(ec2: FakeEc2) -> None:
    group = ec2.network.create_group("@sc-mine", "", tags={})
    request = LaunchRequest(
        image_id="ami-1",
        instance_type="t3.micro",
        zone="us-east-1a",
        market=Market.ON_DEMAND,
        token="1",
        tags={CLUSTER: "mine", "alias": "node001"},
        key_name="mine",
        group_ids=(group.id,),
    )
    ec2.instances.launch(request)
    home = ec2.volumes.create(1, "us-east-1a", tags={"Name": "home"})
    kept = ec2.snapshots.create(home.id, tags={DRIVE: "data"})
    ec2.templates.create("sc/drive/data", {DRIVE: "data"}, {"ImageId": "ami-1"})
    ec2.templates.create("sc/drive/data/1", {DRIVE: "data", ENTRY: "1"}, {"ImageId": "ami-1"})
    found = cloudnames.of(ec2, {})
    assert found["clusters"] == {"mine": ["node001"]}
    assert found["volumes"] == ["home", home.id]
    assert (found["snapshots"], found["drive_snapshots"]) == ([kept.id], {"data": [kept.id]})
    assert found["drives"] == ["data"]
    assert found["zones"] == ["us-east-1a", "us-east-1b"]


def test_what_may_not_be_listed_is_as_it_was_and_hides_nothing_else(ec2: FakeEc2) -> None:
    ec2.fail_next("templates.tagged", fake_error("UnauthorizedOperation"))
    found = cloudnames.of(ec2, {"drives": ["data"], "zones": ["of-old"]})
    assert found["drives"] == ["data"]
    assert found["zones"] == ["us-east-1a", "us-east-1b"]
