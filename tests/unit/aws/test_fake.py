"""The fake has the door's shape, so that tests with it say something of the real one."""

from __future__ import annotations

import inspect

import pytest

from starcluster import exception
from starcluster.aws.session import Ec2
from starcluster.model import InstanceState, LaunchRequest, Market
from tests.fakes.ec2 import FakeEc2, fake_error

PARTS = ["instances", "spot", "volumes", "snapshots", "images", "network", "templates", "prices"]


class Nowhere:
    """An Access that is never used."""

    region = "us-east-1"


def public_methods(thing: object) -> dict[str, list[tuple[str, object, object]]]:
    return {
        name: [(one.name, one.default, one.kind) for one in inspect.signature(method).parameters.values()]
        for name, method in inspect.getmembers(thing, inspect.ismethod)
        if not name.startswith("_")
    }


@pytest.mark.parametrize("part", PARTS)
def test_every_public_method_of_the_door_is_faked_with_the_same_parameters(part: str) -> None:
    real = public_methods(getattr(Ec2(Nowhere()), part))
    fake = public_methods(getattr(FakeEc2(), part))
    assert real
    for name, parameters in real.items():
        if (part, name) == ("spot", "history"):  # the products default is the door's own
            parameters = [one[:1] for one in parameters]
            assert parameters == [one[:1] for one in fake[name]]
        else:
            assert (name, parameters) == (name, fake.get(name))


def request(**changes: object) -> LaunchRequest:
    words: dict[str, object] = {
        "image_id": "ami-1",
        "instance_type": "t3.micro",
        "zone": "us-east-1a",
        "market": Market.SPOT,
        "token": "one",
        "tags": {"@sc-cluster": "demo", "alias": "mynode"},
        "key_name": "local",
        "group_ids": (),
    }
    return LaunchRequest(**{**words, **changes})  # type: ignore[arg-type]


def test_one_token_makes_one_instance() -> None:
    ec2 = FakeEc2()
    first = ec2.instances.launch(request())
    assert [one.id for one in ec2.instances.launch(request())] == [one.id for one in first]
    with pytest.raises(exception.TokenSpent):
        ec2.instances.launch(request(instance_type="t3.small"))


def test_a_shortage_and_its_end() -> None:
    ec2 = FakeEc2()
    ec2.refuse(zone="us-east-1a")
    with pytest.raises(exception.ShortageError):
        ec2.instances.launch(request())
    ec2.instances.launch(request(zone="us-east-1b", token="two"))
    ec2.relent()
    ec2.instances.launch(request())


def test_a_spot_instance_that_is_taken() -> None:
    ec2 = FakeEc2(auto_advance=False)
    [one] = ec2.instances.launch(request())
    ec2.advance()
    ec2.instances.interrupt(one.id)
    [spot] = ec2.spot.find(cluster="demo")
    assert (spot.state, spot.code) == ("closed", "instance-terminated-no-capacity")
    assert ec2.instances.get(one.id).state is InstanceState.RUNNING
    ec2.instances.die(one.id)
    ec2.advance()
    assert ec2.instances.get(one.id).state is InstanceState.TERMINATED


def test_a_failure_that_was_ordered_comes_once() -> None:
    ec2 = FakeEc2()
    ec2.fail_next("instances.find", fake_error("Unavailable"))
    with pytest.raises(exception.TransientError):
        ec2.instances.find()
    assert ec2.instances.find() == []


def test_a_volume_is_attached_after_a_while_and_held_meanwhile() -> None:
    ec2 = FakeEc2(auto_advance=False)
    [one] = ec2.instances.launch(request())
    volume = ec2.volumes.create(1, "us-east-1a", tags={"Name": "home"})
    ec2.advance()
    ec2.volumes.attach(volume.id, one.id, "/dev/sdz")
    with pytest.raises(exception.ConflictError):
        ec2.volumes.delete(volume.id)
    ec2.advance()
    holder = ec2.volumes.get("home").holder
    assert holder is not None
    assert holder.state == "attached"
    assert [one.volume_id for one in ec2.instances.get(one.id).data_devices] == [volume.id]
