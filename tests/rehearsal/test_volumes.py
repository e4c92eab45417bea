"""Volumes as a user handles them: made, shared, kept, grown, copied, killed in between, and never lost."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.rehearsal.stage import Stage, may_grow_ext4

SLEEPER = "nohup sleep 4321 >/dev/null 2>&1"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A cluster `c` of a master and a worker in us-east-1a, and the volume `data` with `precious`, shared at /data."""
    made = Stage(tmp_path_factory.mktemp("stage"))
    try:
        made.starcluster("start", "-s", "2", "-a", "us-east-1a", "c")
        done = made.starcluster("createvolume", "-n", "data", "-t", "team=a", "1", "us-east-1a")
        assert "Using master of cluster c" in done.stdout
        assert "volhost" not in done.stdout
        assert made.starcluster("attachvolume", "data", "c", "--mount", "/data", "--share").stdout.endswith("/data\n")
        made.starcluster("sshnode", "c", "node001", "echo precious > /data/f; sync")
        yield made
    finally:
        made.close()


def volumes(stage: Stage) -> dict[str, Any]:
    """By name, or by id where there is none; roots are left out."""
    listed = json.loads(stage.starcluster("listvolumes", "--json").stdout)
    return {one["name"] or one["volume_id"]: one for one in listed if one["name"] not in ("master", "node001")}


def snapshots(stage: Stage) -> list[dict[str, Any]]:
    return json.loads(stage.starcluster("listsnapshots", "--json").stdout)


def test_a_snapshot_of_a_volume_in_use_is_whole_and_makes_a_larger_volume(stage: Stage) -> None:
    taken = stage.starcluster("snapshotvolume", "data", "-n", "kept", "-D", "as it was")
    assert "/data on master stands still" in taken.stdout
    refused = stage.starcluster(
        "createvolume", "--snapshot", "kept", "--filesystem", "xfs", "3", "us-east-1a", expect=1
    )
    assert "is not empty: it holds ext4" in refused.stderr
    restored = stage.starcluster("restorevolume", "kept", "us-east-1a", "-n", "old", "--size", "3")
    assert "The file system (ext4) fills the volume now" in restored.stdout
    stage.starcluster("attachvolume", "old", "c", "--mount", "/old")
    shown = stage.starcluster("sshmaster", "c", "cat /old/f; df --output=size -BM /old | tail -1").stdout.split()
    assert shown[0] == "precious"
    assert int(shown[1].rstrip("M")) > 2500
    [kept] = snapshots(stage)
    assert (kept["name"], kept["description"], kept["status"]) == ("kept", "as it was", "completed")
    stage.starcluster("removesnapshot", "-c", "kept")


def test_who_is_in_the_way_is_named_and_keeps_the_volume(stage: Stage) -> None:
    stage.starcluster("sshnode", "c", "node001", f"cd /data; {SLEEPER} & sleep 0.2")
    refused = stage.starcluster("detachvolume", "data", expect=1)
    assert "sleep 4321" in refused.stderr
    assert "/data on node001 is in use" in refused.stderr
    assert stage.starcluster("sshnode", "c", "node001", "pkill sleep; cat /data/f").stdout == "precious\n"


def test_it_grows_while_it_is_in_use(stage: Stage) -> None:
    grown = stage.starcluster("resizevolume", "data", "2", expect=None)
    if not may_grow_ext4():  # in a container without that capability the kernel refuses: the user is told what to do
        assert (grown.returncode, "starcluster detachvolume" in grown.stderr) == (1, True)
        stage.starcluster("detachvolume", "data")
        assert "(ext4) fills the volume now" in stage.starcluster("resizevolume", "data", "2").stdout
        stage.starcluster("attachvolume", "data", "c", "--mount", "/data", "--share")
        return
    assert grown.returncode == 0, grown.stderr
    size = stage.starcluster("sshmaster", "c", "head -1 /data/f; df --output=size -BM /data | tail -1").stdout.split()
    assert (size[0], int(size[1].rstrip("M")) > 1500) == ("precious", True)


@pytest.mark.long
def test_a_copy_that_is_killed_is_made_by_the_next_run(stage: Stage) -> None:
    words = ("copyvolume", "data", "us-east-1b", "-n", "copy")
    before = volumes(stage)
    with stage.start("starcluster", *words) as process:
        for line in process.stdout or ():
            if "New volume id" in line:
                break
        process.send_signal(signal.SIGKILL)
    stage.starcluster(*words)
    found = volumes(stage)
    assert sorted(found) == sorted([*before, "copy"])
    assert (found["copy"]["availability_zone"], found["copy"]["tags"]["team"]) == ("us-east-1b", "a")
    assert "@sc-making" not in found["copy"]["tags"]
    assert snapshots(stage) == []


def test_a_damaged_file_system_is_not_mounted(stage: Stage) -> None:
    stage.starcluster("createvolume", "-n", "worn", "1", "us-east-1a")
    stage.starcluster("attachvolume", "worn", "c", "--mount", "/worn")
    clear_the_root = "disk=$(df --output=source /worn | tail -n1); umount /worn; debugfs -w -R 'clri <2>' $disk"
    stage.starcluster("sshmaster", "c", clear_the_root)
    refused = stage.starcluster("attachvolume", "worn", "c", "--mount", "/worn", expect=1)
    assert "is damaged and is not mounted" in refused.stderr
    assert "fsck -n /dev/" in refused.stderr
    assert "stays attached" in refused.stdout
