"""A bucket at /permanent of the nodes, by s3fs: a client of S3 that nobody here wrote."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rehearsal.train.bucket import BUCKET, make_bucket_and_role
from tests.rehearsal.train.conftest import TAG, Scene, started

pytestmark = pytest.mark.skipif(shutil.which("s3fs") is None, reason="s3fs is no Python package")

SECTIONS = f"""
[plugin permanent]
SETUP_CLASS = starcluster.plugins.permanent.Permanent
BUCKET = {BUCKET}

[plugin part]
SETUP_CLASS = starcluster.plugins.permanent.Permanent
BUCKET = {BUCKET}
PREFIX = projects/x
MOUNT_PATH = /part
NODES = master

[plugin hiding]
SETUP_CLASS = starcluster.plugins.permanent.Permanent
BUCKET = {BUCKET}
MOUNT_PATH = /etc
NODES = master

[plugin nowhere]
SETUP_CLASS = starcluster.plugins.permanent.Permanent
BUCKET = no-such-bucket
MOUNT_PATH = /nowhere
NODES = master

[cluster bare]
EXTENDS = smallcluster
CLUSTER_SIZE = 1
PLUGINS = permanent
IAM_PROFILE =
"""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(Path(tmp_path_factory.mktemp("scene")), speed=100)
    settings = "CLUSTER_SIZE = 2\nIAM_PROFILE = nodes\nPLUGINS = permanent"
    made.config.write_text(made.config.read_text().replace("CLUSTER_SIZE = 1", settings, 1) + SECTIONS)
    made.starcluster("local", "up")
    make_bucket_and_role(made)
    with started(made):
        yield made


@pytest.fixture
def _worker(scene: Scene) -> None:
    """node001 is there, also where a test has removed it."""
    if not scene.alive("node001"):
        scene.starcluster("addnode", TAG)


def on_node(scene: Scene, command: str) -> str:
    return scene.starcluster("sshnode", TAG, "node001", "-u", "sgeadmin", command).stdout


def stored(scene: Scene, key: str) -> bytes:
    return scene.foreign("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()


@pytest.mark.usefixtures("_worker")
def test_what_one_node_keeps_the_others_and_the_bucket_have(scene: Scene) -> None:
    told = on_node(scene, "head -c 20000000 /dev/urandom > /permanent/made; sha256sum < /permanent/made").split()[0]
    assert hashlib.sha256(stored(scene, "made")).hexdigest() == told
    assert scene.on_master("sha256sum < /permanent/made").split()[0] == told
    scene.foreign("s3").put_object(Bucket=BUCKET, Key="from/outside", Body=b"words")
    assert on_node(scene, "cat /permanent/from/outside") == "words"
    on_node(scene, "mv /permanent/made /permanent/kept; rm /permanent/from/outside")
    names = [one["Key"] for one in scene.foreign("s3").list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert "kept" in names
    assert not {"made", "from/outside"} & set(names)


@pytest.mark.long
def test_a_part_of_the_bucket(scene: Scene) -> None:
    scene.starcluster("runplugin", "part", TAG)
    scene.on_master("echo deep > /part/file")
    assert stored(scene, "projects/x/file") == b"deep\n"


@pytest.mark.long
def test_a_client_that_died_is_started_again(scene: Scene) -> None:
    scene.on_master("echo before > /permanent/before; pkill -9 s3fs")
    assert "not connected" in scene.starcluster("sshmaster", TAG, "ls /permanent", expect=None).stderr
    scene.starcluster("runplugin", "permanent", TAG)
    assert scene.on_master("cat /permanent/before") == "before\n"
    scene.starcluster("runplugin", "permanent", TAG)
    assert scene.on_master("grep -c ' /permanent ' /proc/mounts") == "1\n"


@pytest.mark.long
def test_what_can_not_be_mounted_is_told_and_left(scene: Scene) -> None:
    hiding = scene.starcluster("runplugin", "hiding", TAG, expect=1).stderr
    assert "there are files in /etc on master, which the bucket would hide" in hiding
    nowhere = scene.starcluster("runplugin", "nowhere", TAG, expect=1).stderr
    assert "may not list what is there in s3://no-such-bucket" in nowhere
    assert "nowhere" not in scene.on_master("cat /proc/mounts")


@pytest.mark.long
def test_a_node_without_a_role(scene: Scene) -> None:
    done = scene.starcluster("start", "-c", "bare", "bare", expect=1)
    assert "this node has no keys for s3://" + BUCKET in done.stderr
    assert "IAM_PROFILE" in done.stderr
    scene.starcluster("terminate", "bare", "--confirm")


@pytest.mark.usefixtures("_worker")
def test_a_file_that_is_open_is_kept_when_the_node_goes(scene: Scene) -> None:
    on_node(scene, "(echo words; sleep 1000) > /permanent/open 2>/dev/null </dev/null & sleep 1")
    scene.starcluster("removenode", "--confirm", TAG, "node001")
    assert stored(scene, "open") == b"words\n"
