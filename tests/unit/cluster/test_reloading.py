"""reload: what a running cluster takes over from its template, what it keeps, and how both are shown."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster import record, reloading
from starcluster.cluster.cluster import Clusters
from starcluster.cluster.record import ClusterRecord, NodeKind, PluginRecord
from starcluster.config.schema import ClusterTemplate, PluginSettings
from starcluster.ssh import keys
from tests.fakes.ec2 import FakeEc2
from tests.unit.cluster.conftest import record_with
from tests.unit.cluster.test_starting import begin

BEFORE = record_with(plugins=(PluginRecord(name="a", setup_class="m.A", settings={"x": "1"}),))


def shown(**changes: Any) -> list[str]:
    found = reloading.changes(BEFORE, dataclasses.replace(BEFORE, **changes))
    return [f"{one.setting}: {one.before} -> {one.after}{' stays' if one.stays else ''}" for one in found]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"version": "other"}, []),
        ({"spot_bid": 0.2}, ["SPOT_BID: none -> 0.2"]),
        ({"node_image": "ami-2"}, ["NODE_IMAGE_ID: ami-1 -> ami-2"]),
        ({"other_types": ("t3.small", "m5.large")}, ["NODE_INSTANCE_TYPES_OR: none -> t3.small, m5.large"]),
        (
            {"node_kinds": (NodeKind(instance_type="p3.2xlarge"),)},
            ["NODE_INSTANCE_TYPE (the list): none -> p3.2xlarge"],
        ),
        ({"cluster_user": "bob"}, ["CLUSTER_USER: sgeadmin -> bob stays"]),
        ({"zone": ""}, []),
        ({"userdata_scripts": ("#!/bin/sh\ntrue\n",)}, ["USERDATA_SCRIPTS: none -> a script of 2 lines"]),
        ({"plugins": ()}, ["plugin a: m.A -> none"]),
        (
            {"plugins": (PluginRecord(name="a", setup_class="m.A", settings={"x": "2", "y": "3"}),)},
            ["plugin a: X: 1 -> 2", "plugin a: Y: none -> 3"],
        ),
        (
            {"plugins": (PluginRecord(name="a", setup_class="m.A", settings={"x": "1", "password": "p"}),)},
            ["plugin a: PASSWORD: none -> ***"],
        ),
    ],
)
def test_what_differs_is_shown(changes: dict[str, Any], told: list[str]) -> None:
    assert shown(**changes) == told


def test_an_order_that_differs_is_a_difference() -> None:
    one, two = (PluginRecord(name=name, setup_class="m.A") for name in ("one", "two"))
    before, after = (dataclasses.replace(BEFORE, plugins=plugins) for plugins in ((one, two), (two, one)))
    assert [change.setting for change in reloading.changes(before, after)] == ["PLUGINS (their order)"]


def test_what_stays_stays() -> None:
    """Every setting of another value: the merged record has the old one of just those that are told to stay."""
    other: dict[str, Any] = {
        field.name: object() for field in dataclasses.fields(ClusterRecord) if field.name not in ("schema", "version")
    }
    new = reloading.merged(BEFORE, dataclasses.replace(BEFORE, **other))
    kept = {name for name in other if getattr(new, name) is not other[name]}
    assert kept == set(reloading.FIXED)


@pytest.fixture
def _key_pair(ec2: FakeEc2, key_file: Path) -> None:
    ec2.network.import_key("mykey", keys.get_public_key(keys.read_private_key(key_file)))


@pytest.mark.usefixtures("_key_pair")
def test_a_template_is_checked_as_at_a_start(clusters: Clusters, template: ClusterTemplate) -> None:
    cluster = begin(clusters)
    after = reloading.prepare(clusters, cluster, dataclasses.replace(template, spot_bid=0.3))
    assert after.spot_bid == 0.3
    with pytest.raises(exception.AWSError):
        reloading.prepare(clusters, cluster, dataclasses.replace(template, node_instance_type="none.such"))
    broken = PluginSettings(name="p", setup_class="no.such.Plugin")
    with pytest.raises(exception.PluginError):
        reloading.prepare(clusters, cluster, dataclasses.replace(template, plugins=(broken,)))


def test_a_shorter_record_leaves_nothing_of_the_longer_one(clusters: Clusters, ec2: FakeEc2) -> None:
    scripts = tuple(f"#!/bin/sh\necho {number * 7919 % 1000003}\n" for number in range(300))
    cluster = begin(clusters, userdata_scripts=scripts)
    assert "@sc-user-3" in cluster.group.tags
    cluster.save(dataclasses.replace(cluster.record, userdata_scripts=()))
    again = clusters.get("c")
    assert again.record.userdata_scripts == ()
    assert "@sc-user-3" not in again.group.tags


def test_a_record_that_was_being_shortened_when_we_died_can_be_read() -> None:
    long = record.to_tags(record_with(userdata_scripts=tuple(f"#!{number * 7919 % 1000003}" for number in range(300))))
    short = record.to_tags(record_with(spot_bid=0.7))
    assert record.from_tags({**long, **short}, tag="c").spot_bid == 0.7


@pytest.mark.parametrize("length", [*range(150, 200), *range(170, 640, 17)])
def test_records_of_every_length_are_read_with_leavings_behind_them(length: int) -> None:
    """Also one whose last piece is full."""
    import random

    noise = "".join(random.Random(length).choice("0123456789abcdef") for _ in range(length))
    tags = record.to_tags(record_with(node_type=noise))
    number = sum(1 for key in tags if key.startswith("@sc-core-"))
    assert record.from_tags({**tags, f"@sc-core-{number + 1}": "left over"}, tag="c").node_type == noise


def test_another_programs_reload_is_seen(clusters: Clusters) -> None:
    """A driver's view of the cluster is older than the reload."""
    begin(clusters, spot_bid=0.1)
    driver, other = clusters.get("c"), clusters.get("c")
    assert driver.record.spot_bid == 0.1
    other.save(dataclasses.replace(other.record, spot_bid=0.4))
    driver.refresh()
    assert driver.record.spot_bid == 0.4


def test_a_newer_record_is_not_reloaded(clusters: Clusters, template: ClusterTemplate, ec2: FakeEc2) -> None:
    begin(clusters)
    ec2.network.tag_group(clusters.get("c").group.id, {record.SCHEMA: "7"})
    with pytest.raises(exception.RecordError):
        reloading.prepare(clusters, clusters.get("c"), template)
