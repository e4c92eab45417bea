"""The record in tags: what is written is read, whatever it holds, within EC2's limits."""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starcluster import exception
from starcluster.cluster import record
from starcluster.cluster.record import ClusterRecord, NodeKind, PluginRecord, VolumeRecord

TEXT = st.text(max_size=40)
VOLUMES = st.builds(
    VolumeRecord, name=TEXT, volume_id=TEXT, mount_path=TEXT, device=TEXT, partition=st.none() | st.integers(1, 99)
)
PLUGINS = st.builds(PluginRecord, name=TEXT, setup_class=TEXT, settings=st.dictionaries(TEXT, TEXT, max_size=4))
RECORDS = st.builds(
    ClusterRecord,
    keyname=TEXT,
    cluster_size=st.integers(1, 1000),
    node_kinds=st.lists(st.builds(NodeKind, instance_type=TEXT, image=TEXT), max_size=3).map(tuple),
    public_ips=st.none() | st.booleans(),
    spot_bid=st.none() | st.floats(0, 100, allow_nan=False),
    userdata_scripts=st.lists(TEXT, max_size=2).map(tuple),
    volumes=st.lists(VOLUMES, max_size=3).map(tuple),
    plugins=st.lists(PLUGINS, max_size=3).map(tuple),
)


@given(RECORDS)
def test_what_is_written_is_read(wanted: ClusterRecord) -> None:
    tags = record.to_tags(wanted)
    assert all(len(value) <= 256 and len(key) <= 128 for key, value in tags.items())
    assert record.from_tags(tags, tag="c") == wanted


def test_a_record_too_long_for_tags_is_refused() -> None:
    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20000))
    with pytest.raises(exception.RecordError, match="tags"):
        record.to_tags(ClusterRecord(keyname="k", userdata_scripts=(noise,)))


@pytest.mark.parametrize("key", [record.SCHEMA, "@sc-core-1", "@sc-plugins-1"])
def test_a_missing_piece_is_an_incompatible_cluster(key: str) -> None:
    tags = record.to_tags(ClusterRecord(keyname="k"))
    del tags[key]
    with pytest.raises(exception.IncompatibleCluster) as caught:
        record.from_tags(tags, tag="mycluster")
    assert "terminate --force mycluster" in caught.value.hint


def test_a_damaged_piece_is_an_incompatible_cluster() -> None:
    tags = record.to_tags(ClusterRecord(keyname="k"))
    with pytest.raises(exception.IncompatibleCluster):
        record.from_tags({**tags, "@sc-core-1": "!" + tags["@sc-core-1"][1:]}, tag="c")


def test_a_newer_record_is_read_and_never_written_to() -> None:
    newer = dataclasses.replace(ClusterRecord(keyname="k"), schema=record.CURRENT_SCHEMA + 1, version="9.9")
    read = record.from_tags(record.to_tags(newer), tag="c")
    assert read.keyname == "k"
    with pytest.raises(exception.RecordError, match=r"9\.9"):
        read.check_writable("c")


def test_resource_tags_name_the_node() -> None:
    tags = record.resource_tags("c", "node001", {"User": "me"})
    assert (tags["alias"], tags["Name"], tags["@sc-cluster"], tags["User"]) == ("node001", "node001", "c", "me")
    assert tags["@sc-schema"] == "1"


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ({"@sc-version": "0.95.6", "@sc-core": "abc"}, "was made by StarCluster 0.95.6: .* Python 2 pickles"),
        ({"@sc-version": "0.1", "@sc-schema": "0"}, "was made by starcluster 0.1: the form 0 of its record"),
        ({}, "can not be read"),
    ],
)
def test_a_cluster_of_another_age_says_whose_it_is(tags: dict[str, str], told: str) -> None:
    with pytest.raises(exception.IncompatibleCluster, match=told) as caught:
        record.from_tags(tags, tag="old")
    assert "starcluster terminate --force old" in caught.value.hint
