"""A training whose only lasting place is a bucket: its disk dies with each node, and S3 has what comes back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rehearsal.stage import ROOT
from tests.rehearsal.train.bucket import BUCKET, make_bucket_and_role
from tests.rehearsal.train.conftest import TAG, Scene, started, until

STEPS = 700
PLUGIN = f"""
[plugin results]
SETUP_CLASS = starcluster.plugins.s3sync.S3Sync
BUCKET = {BUCKET}
NODES = keeper, sudden
PATH = /work
INTERVAL = 2
"""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(Path(tmp_path_factory.mktemp("scene")), speed=60)
    text = made.config.read_text()
    made.config.write_text(
        text.replace("CLUSTER_SIZE = 1", "CLUSTER_SIZE = 1\nIAM_PROFILE = nodes\nPLUGINS = results", 1) + PLUGIN
    )
    made.starcluster("local", "up")
    make_bucket_and_role(made)
    with started(made):
        made.starcluster("put", TAG, str(ROOT / "examples" / "digits"), "/home")
        yield made


def training(name: str) -> str:
    """Its output is on the node's own disk; the master sees the log of it only."""
    out = f"/work/{name}"
    train = f"python3 /home/digits/train.py --steps {STEPS} --pace 0.02 --every 1 --out {out}"
    return f"{train}; cp {out}/steps.log /home/{name}"


def steps(scene: Scene, name: str) -> list[int]:
    return [int(line.split()[1]) for line in scene.on_master(f"cat /home/{name}").splitlines()]


def manifests(scene: Scene, name: str) -> int:
    found = scene.foreign("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"{TAG}/{name}/manifest-")
    return int(found["KeyCount"])


def test_a_notice_costs_no_step_though_the_disk_is_gone(scene: Scene) -> None:
    scene.write(keeper=training("keeper"))
    driver = scene.drive("keeper")
    driver.says("the command works")
    scene.interrupt("keeper", notice=1500)
    driver.says("(spot, generation 2")
    driver.says("attempt 2 runs on")
    driver.ends(0)
    log = scene.on_master("cat /home/.starcluster/runs/keeper/*/log")
    taken = re.search(r"checkpoint at step (\d+) because=SIGTERM sha256=(\w+)", log)
    resumed = re.search(r"resumed at step (\d+) from checkpoint sha256=(\w+)", log)
    assert taken is not None
    assert resumed is not None, log
    assert taken.groups() == resumed.groups()
    assert steps(scene, "keeper") == list(range(STEPS))
    hooks = [one for one in scene.journal("keeper") if one["event"] == "hook"]
    assert [(one["on"], one["exit"]) for one in hooks] == [("on-notice.d", 0)]


@pytest.mark.long
def test_sync_by_hand(scene: Scene) -> None:
    """The node that a finished training leaves is gone; another folder goes up and comes back on the master."""
    scene.on_master("mkdir -p /data/in; echo content > /data/in/file")
    named = ("--bucket", BUCKET, "--prefix", "by-hand", "--path", "/data")
    told = json.loads(scene.starcluster("sync", "up", TAG, "master", *named, "--json").stdout)
    assert [(one["ok"], one["new"], one["files"]) for one in told] == [(True, True, 1)]
    scene.on_master("rm -r /data")
    said = scene.starcluster("sync", "down", TAG, "master", *named).stdout
    assert "1 files" in said
    assert scene.on_master("cat /data/in/file").strip() == "content"
    nowhere = scene.starcluster("sync", "up", TAG, "master", "--bucket", "no-such-bucket", "--path", "/data", expect=1)
    assert "may not list" in nowhere.stderr


@pytest.mark.long
def test_a_sudden_death_costs_an_interval(scene: Scene) -> None:
    scene.write(sudden=training("sudden"))
    driver = scene.drive("sudden")
    driver.says("the command works")
    until(lambda: manifests(scene, "sudden") >= 2, "two snapshots")
    scene.interrupt("sudden", notice=0)
    driver.says("(spot, generation 2")
    driver.ends(0)
    assert "resumed at step" in scene.on_master("cat /home/.starcluster/runs/sudden/*/log")
    assert set(steps(scene, "sudden")) == set(range(STEPS))
