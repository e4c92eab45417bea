"""/home on a volume, the collection's plugins, and a user's own, on real hosts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.cluster.conftest import Shell, everything


@pytest.fixture(scope="module")
def volumes(shell: Shell) -> dict[str, str]:
    """Name -> id: `home` is formatted, `data` is empty."""
    return {"home": shell("createvolume", "--name", "home", "1", "us-east-1a").out.split()[-1]}


@pytest.fixture(scope="module")
def data(aws: Any) -> str:
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "data"}]}]
    made = aws.create_volume(Size=1, AvailabilityZone="us-east-1a", VolumeType="gp3", TagSpecifications=tags)
    return str(made["VolumeId"])


@pytest.fixture
def ended(shell: Shell, aws: Any, volumes: dict[str, str], data: str) -> Iterator[None]:
    """Whatever a test starts is terminated, and then nothing of it is left."""
    before = everything(aws)
    yield
    for tag in ("vol", "plug"):
        shell("terminate", "-c", tag, check=False)
    assert everything(aws) == before


def test_home_survives_its_cluster(shell: Shell, ended: None, volumes: dict[str, str]) -> None:
    shell("start", "-c", "home", "vol")
    assert "nvme" in shell.on("vol", "master", "grep ' /home ' /proc/mounts")
    shell.on("vol", "master", "echo precious > /home/alice/kept; chown alice /home/alice/kept")
    assert shell("sshmaster", "vol", "-u", "ubuntu", "id -un").out == "ubuntu\n"
    refused = shell("start", "-c", "home", "other", check=False)
    assert refused.code == 1
    assert "in use by master" in refused.err
    assert "other" not in shell("listclusters").out
    shell("terminate", "-c", "vol")
    shell("start", "-c", "home", "-s", "2", "vol")
    assert shell("sshnode", "vol", "node001", "-u", "alice", "cat kept").out == "precious\n"


def test_plugins_of_the_collection_and_ones_own(shell: Shell, ended: None, aws: Any, data: str) -> None:
    started = shell("start", "-c", "plugged", "plug")
    assert "aws_train.py Bob" in started.out
    listed = shell("listclusters", "plug").out
    assert "(spot sir-" in next(line for line in listed.splitlines() if " Bob " in line)
    assert "ext4" in shell.on("plug", "bob", "grep ' /data ' /proc/mounts; echo kept > /data/x; sync")
    assert shell.on("plug", "bob", "cat /root/mine") == "hello Bob\n"
    assert shell.on("plug", "master", "cat /root/never-closed") == "all of it"
    shell("removenode", "-c", "-a", "bob", "plug")
    assert aws.describe_volumes(VolumeIds=[data])["Volumes"][0]["State"] == "available"
    shell("addnode", "-a", "bob", "plug")
    assert shell.on("plug", "bob", "cat /data/x /root/mine") == "kept\nadded bob\n"


def test_a_failing_plugin_is_told_with_command_and_output(shell: Shell, ended: None) -> None:
    shell("start", "plug")
    ran = shell("runplugin", "broken", "plug", check=False)
    assert ran.code == 1
    for word in ("'broken'", "no-such-program", "master", "some words"):
        assert word in ran.err
    unknown = shell("runplugin", "none", "plug", check=False)
    assert unknown.code == 1
    assert "not in the config" in unknown.err


def test_a_start_that_is_killed_is_taken_up(shell: Shell, ended: None, aws: Any) -> None:
    import subprocess
    import sys
    import time

    words = [sys.executable, "-m", "starcluster", "start", "-s", "3", "plug"]
    process = subprocess.Popen(
        words, cwd=shell.folder, env=shell.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not _launched(aws) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert _launched(aws)
    shell("start", "-s", "3", "plug")
    assert len(_launched(aws)) == 3
    assert shell.on("plug", "node002", "hostname") == "node002\n"


def _launched(aws: Any) -> list[str]:
    found = aws.describe_instances(Filters=[{"Name": "tag:@sc-cluster", "Values": ["plug"]}])["Reservations"]
    instances = [one for reservation in found for one in reservation["Instances"]]
    return [one["InstanceId"] for one in instances if one["State"]["Name"] in ("pending", "running")]
