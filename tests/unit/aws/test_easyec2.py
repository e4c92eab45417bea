"""What old plugins ask of node.ec2: which rules let what in, and how more is let in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from starcluster import exception
from starcluster.aws.easyec2 import EasyEC2, Region, covers
from starcluster.aws.likeboto import GroupName, Machine, filters_of
from starcluster.model import BlockDevice, Instance, InstanceState, Permission
from tests.fakes.clock import StepClock
from tests.fakes.ec2 import FakeEc2


def rule(ports: tuple[int, int] = (80, 90), cidr: str = "10.0.0.0/8", protocol: str = "tcp", **more: Any) -> Permission:
    return Permission(protocol=protocol, from_port=ports[0], to_port=ports[1], cidr=cidr, **more)


@pytest.mark.parametrize(
    ("there", "wanted", "answer"),
    [
        (rule(), rule(), True),
        (rule(), rule((81, 82), "10.1.0.0/16"), True),
        (rule(), rule((80, 91)), False),
        (rule(), rule((79, 80)), False),
        (rule(), rule(cidr="0.0.0.0/0"), False),
        (rule(), rule(protocol="udp"), False),
        (rule(protocol="-1", ports=(-1, -1)), rule(protocol="udp"), True),
        (rule((-1, -1), protocol="icmp"), rule((8, 8), protocol="icmp"), True),
        (rule(cidr="::/0"), rule(), False),
        (rule(cidr="", group_id="sg-2"), rule(), False),
    ],
)
def test_a_rule_covers_what_it_lets_in_wholly(there: Permission, wanted: Permission, answer: bool) -> None:
    assert covers(there, wanted) is answer


class Clock(StepClock):
    """EC2 goes on whenever somebody sleeps."""

    def __init__(self, fake: FakeEc2) -> None:
        super().__init__()
        self.fake, self.stands_still = fake, False

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if not self.stands_still:
            self.fake.advance()


class Old(EasyEC2):
    """The old names over EC2 in memory."""

    def __init__(self) -> None:
        fake = FakeEc2(auto_advance=False)
        self._clock = Clock(fake)
        self.network, self.instances = fake.network, fake.instances  # type: ignore[assignment]
        self.volumes, self.fake = fake.volumes, fake  # type: ignore[assignment]
        self.api = SimpleNamespace(credentials=lambda: ("key", "secret", ""))  # type: ignore[assignment]
        self.made = self.network.create_group("@sc-x", "", "vpc-1")

    @property
    def region(self) -> Region:
        return Region("eu-west-1")

    @property
    def clock(self) -> Clock:
        return self._clock


@pytest.fixture
def ec2() -> Old:
    return Old()


def test_the_idiom_of_plugins_that_open_a_port(ec2: Old) -> None:
    group = ec2.get_security_group("@sc-x")
    for _ in range(2):
        if not ec2.has_permission(group, "tcp", 8888, 8888, "0.0.0.0/0"):
            ec2.conn.authorize_security_group(
                group_id=group.id, ip_protocol="tcp", from_port=8888, to_port=8888, cidr_ip="0.0.0.0/0"
            )
    assert list(group.rules) == [rule((8888, 8888), "0.0.0.0/0")]


def test_a_group_lets_in_addresses_and_other_groups(ec2: Old) -> None:
    group = ec2.get_security_group("@sc-x")
    group.authorize("udp", 53, 53, ["10.0.0.0/8", "192.168.0.0/16"])
    group.authorize("tcp", "80", "90", src_group=group)  # type: ignore[arg-type]
    group.authorize("tcp", 1, 1, dry_run=True)
    assert [(one.cidr, one.group_id, one.from_port) for one in group.rules] == [
        ("10.0.0.0/8", "", 53),
        ("192.168.0.0/16", "", 53),
        ("", group.id, 80),
    ]


def test_a_group_by_its_name_or_not_at_all(ec2: Old) -> None:
    assert ec2.get_security_group("@sc-x").id == ec2.made.id
    ec2.conn.authorize_security_group("@sc-x", ip_protocol="tcp", from_port=1, to_port=2)
    assert ec2.has_permission(ec2.made, "tcp", 1, 2, "203.0.113.0/24")
    with pytest.raises(exception.SecurityGroupDoesNotExist):
        ec2.get_security_group("@sc-y")


def test_plugins_that_fill_a_text_with_the_keys(ec2: Old) -> None:
    assert "{aws_access_key_id}/{aws_secret_access_key}".format(**ec2.__dict__) == "key/secret"
    assert ec2.__dict__["_conn"].region.name == "eu-west-1"
    assert (ec2._conn.aws_access_key_id, ec2._conn.aws_secret_access_key) == ("key", "secret")
    assert ec2.made.name == "@sc-x", "what it holds is its own as ever"


def test_a_regions_name_is_text_and_has_a_name() -> None:
    region = Region("eu-west-1")
    assert (region, region.name, f"{region}") == ("eu-west-1",) * 3
    assert type(region.name) is str


def test_an_instance_by_its_id_takes_tags(ec2: Old) -> None:
    known = ec2.instances.all  # type: ignore[attr-defined]
    known["i-1"] = Instance(id="i-1", state=InstanceState.RUNNING, tags={"old": "x"})
    found = ec2.get_instance("i-1")
    found.add_tag("bill", "42")
    found.add_tag("flag")
    found.remove_tag("old")
    assert (found.id, found.state) == ("i-1", "running")
    assert known["i-1"].tags == {"bill": "42", "flag": ""}
    with pytest.raises(exception.InstanceDoesNotExist):
        ec2.get_instance("i-2")


def test_zones_by_name_or_not_at_all(ec2: Old) -> None:
    assert [zone.name for zone in ec2.get_zones()] == ["us-east-1a", "us-east-1b"]
    assert [zone.name for zone in ec2.get_zones({"zone-name": "us-east-1b"})] == ["us-east-1b"]
    assert ec2.get_zones({"state": ["impaired"]}) == []
    assert ec2.get_zone("us-east-1a").region.name == "us-east-1"  # type: ignore[attr-defined]
    assert ec2.get_zone_or_none("us-east-1z") is None
    with pytest.raises(exception.ZoneDoesNotExist, match="us-east-1z"):
        ec2.get_zone("us-east-1z")


def test_a_volume_from_its_making_to_its_end(ec2: Old) -> None:
    made = ec2.create_volume("3", "us-east-1a")
    assert (made.status, made.size, made.zone, made.type) == ("creating", 3, "us-east-1a", "gp3")
    assert made.tags == {"@sc-schema": "1"}, "without it the policy lets nobody make it"
    made.add_tag("Name", "mine")
    ec2.fake.advance()
    assert made.update() == "available"
    assert [one.id for one in ec2.get_volumes({"tag:Name": "mine"})] == [made.id]
    assert ec2.get_volume("mine").id == made.id
    assert made.attach_data.instance_id is None
    ec2.instances.all["i-1"] = Instance(id="i-1", state=InstanceState.RUNNING, zone="us-east-1a")  # type: ignore[attr-defined]
    assert made.attach("i-1", "/dev/sdf")
    ec2.fake.advance()
    assert (made.update(), made.attachment_state()) == ("in-use", "attached")
    assert (made.attach_data.instance_id, made.attach_data.device) == ("i-1", "/dev/sdf")
    assert made.detach()
    ec2.fake.advance()
    made.update()
    assert made.delete(dry_run=True)
    assert ec2.get_volume_or_none("mine") is not None
    assert made.delete()
    ec2.fake.advance()
    assert ec2.get_volume_or_none("mine") is None


def test_a_volume_is_waited_for(ec2: Old) -> None:
    made = ec2.create_volume(1, "us-east-1a")
    said: list[str] = []
    ec2.wait_for_volume(made, status="available", log_func=said.append)
    assert made.status == "available"
    ec2.instances.all["i-1"] = Instance(id="i-1", state=InstanceState.RUNNING, zone="us-east-1a")  # type: ignore[attr-defined]
    made.attach("i-1", "/dev/sdf")
    ec2.wait_for_volume(made, state="attached", log_func=said.append)
    assert made.attachment_state() == "attached"
    assert said == [f"Waiting for {made.id} to become '{word}'" for word in ("available", "attached")]
    ec2.clock.stands_still = True
    with pytest.raises(exception.WaitTimeout, match="is not 'available' after 15 minutes"):
        ec2.wait_for_volume(made, status="available")


def test_groups_by_filters(ec2: Old) -> None:
    ec2.network.create_group("default", "", "vpc-1")
    assert [one.name for one in ec2.get_security_groups()] == ["@sc-x", "default"]
    found = ec2.get_security_groups(filters={"group-name": "default"})
    assert [(one.name, one.rules) for one in found] == [("default", ())]


def test_what_the_connection_lacks_is_told(ec2: Old) -> None:
    with pytest.raises(AttributeError, match=r"node\.ec2\.conn has no 'associate_address'.*boto3"):
        ec2.conn.associate_address("i-1", "192.0.2.1")
    assert not hasattr(ec2.conn, "get_all_instances")


class Asked:
    """The door to instances: what was asked of EC2."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, Any]] = []

    def modify(self, instance_id: str, **attribute: Any) -> None:
        self.changes += attribute.items()

    def attribute(self, instance_id: str, name: str) -> Any:
        return f"{instance_id}'s {name}"

    def get(self, instance_id: str) -> Instance:
        device = BlockDevice(device="/dev/sda1", volume_id="vol-1", delete_on_termination=True)
        groups = {"group_ids": ("sg-1",), "group_names": ("mine",)}
        return Instance(id=instance_id, state=InstanceState.RUNNING, block_devices=(device,), **groups)


@pytest.mark.parametrize(
    ("attribute", "value", "asked"),
    [
        ("instanceType", "c5.large", ("InstanceType", {"Value": "c5.large"})),
        ("instance_type", "c5.large", ("InstanceType", {"Value": "c5.large"})),
        ("disableApiTermination", True, ("DisableApiTermination", {"Value": True})),
        ("DisableApiTermination", "false", ("DisableApiTermination", {"Value": False})),
        ("sourceDestCheck", "True", ("SourceDestCheck", {"Value": True})),
        ("userData", "#!/bin/sh", ("UserData", {"Value": b"#!/bin/sh"})),
        (
            "blockDeviceMapping",
            ["/dev/sda1=0"],
            ("BlockDeviceMappings", [{"DeviceName": "/dev/sda1", "Ebs": {"DeleteOnTermination": False}}]),
        ),
        (
            "blockDeviceMapping",
            "/dev/sda1",
            ("BlockDeviceMappings", [{"DeviceName": "/dev/sda1", "Ebs": {"DeleteOnTermination": True}}]),
        ),
        ("groupSet", [SimpleNamespace(id="sg-1"), "sg-2"], ("Groups", ["sg-1", "sg-2"])),
        ("groupset", ["sg-2"], ("Groups", ["sg-2"])),
        ("someNewThing", "x", ("SomeNewThing", {"Value": "x"})),
    ],
)
def test_attributes_are_changed_as_ec2_takes_them(attribute: str, value: Any, asked: tuple[str, Any]) -> None:
    door = Asked()
    machine = Machine(door.get("i-1"), door)  # type: ignore[arg-type]
    assert machine.modify_attribute(attribute, value, dry_run=True)
    assert door.changes == []
    machine.modify_attribute(attribute, value)
    assert door.changes == [asked]


def test_attributes_are_told_by_their_names() -> None:
    door = Asked()
    machine = Machine(door.get("i-1"), door)  # type: ignore[arg-type]
    assert machine.get_attribute("InstanceType") == {"instanceType": "i-1's instanceType"}
    assert machine.get_attribute("groupset") == {"groupSet": [GroupName(id="sg-1", name="mine")]}
    assert machine.get_attribute("blockDeviceMapping")["blockDeviceMapping"]["/dev/sda1"].volume_id == "vol-1"


def test_filters_are_texts() -> None:
    assert filters_of({"size": 3, "encrypted": True, "tag:Name": ["a", "b"]}) == {
        "size": ["3"],
        "encrypted": ["true"],
        "tag:Name": ["a", "b"],
    }
    assert filters_of(None) == {}
