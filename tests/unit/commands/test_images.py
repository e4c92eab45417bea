"""The verbs on images and buckets, and those of old."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from starcluster.commands.showing import local_time
from tests.fakes.ec2 import FakeEc2
from tests.unit.commands.conftest import Run


@pytest.fixture
def image(ec2: FakeEc2) -> str:
    made = ec2.images.create("i-1", "mine", description="all that I need", without=(), tags={"Name": "mine"})
    ec2.advance()
    ec2.advance()
    return made


def test_lists_of_images_are_two(run: Run, image: str) -> None:
    assert run("li").out == (
        ">>> Your images in us-east-1:\n32bit Images:\n-------------\n\n"
        f"64bit Images:\n-------------\n[0] {image} us-east-1 mine (HVM-EBS)\n\ntotal images: 1\n"
    )
    out = run("lp").out
    assert out.startswith(">>> The newest images in us-east-1 of: ubuntu-24.04, amazon-linux-2023\n32bit Images:\n")
    assert "[1] ami-00000000000002023 us-east-1 stock/amazon-linux-2023 (HVM-EBS)\n" in out
    assert json.loads(run("lp", "--json").out)[0]["short_name"] == "ubuntu-24.04"
    assert run("listimages", "-x").out.startswith(">>> You have no images in us-east-1\n")


def test_showimage(run: Run, image: str, ec2: FakeEc2) -> None:
    [snapshot] = ec2.images.made[image].snapshot_ids
    out = run("showimage", image).out
    assert f"id: {image}\nname: mine\ndescription: all that I need\nstate: available\n" in out
    assert out.endswith(f"tags: Name=mine\ndisk /dev/sda1: 8GB gp3 {snapshot}\n\n")
    told = json.loads(run("showimage", "--json", image).out)
    assert told["block_device_mappings"][0]["snapshot_id"] == snapshot
    assert run("shimg", "nosuch").code == 1
    made = ec2.images.made[image]
    ec2.images.made[image] = replace(made, created="2026-10-01T06:00:00.000Z")
    here = local_time(datetime(2026, 10, 1, 6, tzinfo=UTC))
    assert f"\ncreate_time: {here}\n" in run("showimage", image).out


def test_removeimage_pretends_asks_and_removes(run: Run, image: str, ec2: FakeEc2) -> None:
    [snapshot] = ec2.images.made[image].snapshot_ids
    assert run("ri", "-p", "mine").out == f">>> {image} (mine) would be removed with {snapshot}\n"
    assert run("ri", "mine").code == 1  # nobody answers
    assert image in ec2.images.made
    assert run("ri", "--yes", "mine").out == f">>> Image {image} (mine) removed with {snapshot}\n"
    assert (ec2.images.made, ec2.snapshots.all) == ({}, {})
    assert run("ri", "--yes", "mine").code == 1


def test_removeimage_keeps_the_data_if_asked(run: Run, image: str, ec2: FakeEc2) -> None:
    assert run("ri", "--yes", "-k", image).out == f">>> Image {image} (mine) removed\n"
    assert len(ec2.snapshots.all) == 1


def test_removeimage_goes_on_where_it_was_killed(run: Run, image: str, ec2: FakeEc2, monkeypatch) -> None:
    monkeypatch.setattr(ec2.images, "get", lambda image_id: ec2.images.find(image_id) or _gone())
    ec2.images.deregister(image)
    [snapshot] = ec2.snapshots.all
    assert run("ri", "--yes", image).out == f">>> {image} is gone; it has left {snapshot}\n>>> Removed {snapshot}\n"
    assert ec2.snapshots.all == {}


def _gone() -> None:
    from starcluster import exception

    raise exception.ImageDoesNotExist("gone")


def test_others_images_are_not_removed(run: Run, ec2: FakeEc2) -> None:
    result = run("ri", "--yes", "ami-00000000000002404")
    assert (result.code, "is not yours" in result.err) == (1, True)
    assert ec2.count("images.deregister") == 0


def test_buckets(run: Run, ec2: FakeEc2) -> None:
    assert run("lb").out == ">>> No buckets found...\n"
    ec2.objects.all = {"mine": {"a/1": 5, "b": 1234}}
    assert run("lb").out == "mine\n"
    lines = run("showbucket", "mine", "--prefix", "a").out.splitlines()
    assert (lines[0].split()[0], lines[0].split()[-1], lines[1]) == ("5", "a/1", "total objects: 1")
    assert json.loads(run("sb", "--json", "mine").out)[1]["size"] == 1234
    assert run("sb", "other").code == 1


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        (["s3image", "i-1", "x", "bucket"], "starcluster ebsimage i-1 x"),
        (["createimage", "i-1", "x", "bucket"], "starcluster ebsimage i-1 x"),
        (["simg", "-d", "text", "-R", "ari-1", "i-1", "x", "bucket"], "starcluster ebsimage i-1 x"),
        (["downloadimage", "ami-1", "here"], "starcluster showimage ami-1"),
        (["bal", "-m", "3", "--min_nodes", "1", "c"], "starcluster addnode -n N c"),
    ],
)
def test_verbs_of_old_say_what_to_use_instead(run: Run, words: list[str], instead: str) -> None:
    result = run(*words)
    assert (result.code, result.out) == (1, "")
    assert instead in result.err
