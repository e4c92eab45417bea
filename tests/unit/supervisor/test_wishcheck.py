"""Typing errors in train.cfg that EC2 or the cluster can tell are told before anything is begun."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster.drives.records import DriveRecords
from starcluster.model import InstanceState, Market
from starcluster.supervisor.drivewishes import DriveWish
from starcluster.supervisor.wishcheck import check_wishes, with_zones
from tests.fakes.ec2 import FakeEc2, fake_error
from tests.unit.supervisor.world import instance, wish


class Clusters:
    """One cluster whose master knows these users; `away`: it can not be asked; `broken`: what its plugins raise."""

    def __init__(self, *users: str, away: bool = False, broken: Exception | None = None) -> None:
        self.users, self.away, self.broken, self.asked = users, away, broken, 0

    def get(self, tag: str) -> Any:
        return self

    def running_master(self) -> Any:
        return SimpleNamespace(ssh=self)

    def check_key(self) -> None:
        if isinstance(self.broken, exception.KeyFileError):
            raise self.broken

    @property
    def plugins(self) -> list[Any]:
        if self.broken:
            raise self.broken
        return []

    def run(self, command: str, *, data: bytes = b"", timeout: float | None = None) -> tuple[int, bytes, bytes]:
        self.asked += 1
        if self.away:
            raise exception.SSHConnectionError("no route to host")
        return (0 if command.split()[-1] in self.users else 2), b"", b""


@pytest.mark.parametrize(
    ("settings", "words", "hint"),
    [
        ({"zones": ("us-east-1x",)}, r"\[mynode\] zones: there is no zone 'us-east-1x'", "did you mean 'us-east-1"),
        ({"instance_types": ("c5.large", "nosuch.large")}, r"\[mynode\] instance_type: .*'nosuch.large'", "c5.large"),
        ({"run_as": "sgeadmim"}, r"\[mynode\] run_as: there is no user 'sgeadmim'", "getent passwd"),
    ],
)
def test_a_name_that_does_not_exist(settings: dict[str, object], words: str, hint: str) -> None:
    with pytest.raises(exception.UsageError, match=words) as caught:
        check_wishes([wish(**settings)], FakeEc2(), Clusters("sgeadmin"))
    assert hint in caught.value.hint


def test_a_drive_must_be_there_or_have_a_size() -> None:
    ec2 = FakeEc2()
    clusters = Clusters("sgeadmin")
    data = DriveWish(name="data", path="/data")
    with pytest.raises(exception.UsageError, match=r"\[mynode\] drive: there is no drive 'data'") as caught:
        check_wishes([wish(drives=(data,))], ec2, clusters)
    assert "starcluster drive create data SIZE" in caught.value.hint
    check_wishes([wish(drives=(replace(data, shape={"size": 5}),))], ec2, clusters)
    ec2.fail_next("templates.tagged", fake_error("RequestLimitExceeded"))
    check_wishes([wish(drives=(data,))], ec2, clusters)
    DriveRecords(ec2.templates, ec2.volumes, ec2.snapshots).create("data", shape={"size": 5}, keep="")
    check_wishes([wish(drives=(data,))], ec2, clusters)


def test_any_zone_means_all_there_are() -> None:
    ec2 = FakeEc2()
    some, others = wish("some", zones=("us-east-1b",)), wish("others", zones=("any",))
    assert with_zones([some], ec2) == [some]
    assert ec2.count("network.zones") == 0
    all_zones = tuple(sorted(zone.name for zone in ec2.network.zones()))
    assert len(all_zones) > 1
    assert with_zones([some, others], ec2) == [some, replace(others, zones=all_zones)]


def test_what_is_right_is_asked_for_once() -> None:
    ec2, clusters = FakeEc2(), Clusters("sgeadmin")
    right = [wish(name, zones=("us-east-1a",), run_as="sgeadmin") for name in ("one", "two")]
    check_wishes(right, ec2, clusters)
    assert (ec2.count("instances.type_info"), clusters.asked) == (1, 1)


def test_who_can_not_be_asked_stops_nothing() -> None:
    ec2 = FakeEc2()
    ec2.fail_next("instances.type_info", fake_error("RequestLimitExceeded"))
    check_wishes([wish(instance_types=("nosuch.large",), run_as="me")], ec2, Clusters(away=True))
    ec2.fail_next("instances.type_info", fake_error("UnauthorizedOperation"))
    check_wishes([wish(instance_types=("nosuch.large",))], ec2, Clusters())


def test_a_setup_command_may_make_the_user() -> None:
    clusters = Clusters()
    check_wishes([wish(run_as="me", setup_command="useradd me"), wish(run_as="root"), wish()], FakeEc2(), clusters)
    assert clusters.asked == 0


def test_a_type_that_is_never_on_spot() -> None:
    ec2 = FakeEc2()
    known = ec2.instances.type_info("c5.large")
    ec2.instances.type_info = lambda name: replace(known, usage_classes=("on-demand",))  # type: ignore[method-assign]
    with pytest.raises(exception.UsageError, match="not offered on spot"):
        check_wishes([wish()], ec2, Clusters())
    check_wishes([wish(market=Market.ON_DEMAND)], ec2, Clusters())


def test_a_plugin_or_a_key_that_is_of_no_use_costs_nothing() -> None:
    broken = exception.PluginSyntaxError("plugin 'tools' is not valid Python 2", hint="look there")
    with pytest.raises(exception.SupervisionError, match="cluster mycluster: plugin 'tools' is not valid") as caught:
        check_wishes([wish()], FakeEc2(), Clusters(broken=broken))
    assert caught.value.hint == "look there"
    with pytest.raises(exception.SupervisionError, match="cluster mycluster: the key file"):
        check_wishes([wish()], FakeEc2(), Clusters(broken=exception.KeyFileError("the key file is not there")))
    check_wishes([wish()], FakeEc2(), Clusters(broken=fake_error("RequestLimitExceeded")))


def test_nodes_that_run_are_watched_without_their_plugins() -> None:
    ec2, broken = FakeEc2(), Clusters(broken=exception.PluginError("gone"))
    ec2.instances.find = lambda *, cluster: [instance(alias="MyNode"), instance(2, InstanceState.TERMINATED)]  # type: ignore[method-assign,misc]
    check_wishes([wish(), wish("other")], ec2, broken)
    with pytest.raises(exception.SupervisionError):
        check_wishes([wish("other")], ec2, broken)


def test_where_nobody_can_tell_whether_nodes_run_they_are_watched() -> None:
    ec2, broken = FakeEc2(), Clusters(broken=exception.PluginError("gone"))
    ec2.fail_next("instances.find", fake_error("RequestLimitExceeded"))
    check_wishes([wish()], ec2, broken)
