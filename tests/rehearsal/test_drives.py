"""A drive that goes from zone to zone with what is on it, by the public verbs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.stage import Stage

TAG = "mycluster"


class Scene(Stage):
    """A cluster with a worker in each of two zones."""

    def drive(self, *words: str, expect: int | None = 0) -> Any:
        return self.starcluster("drive", *words, expect=expect)

    def shown(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.drive("show", "data", "--json").stdout)
        return found

    def on(self, node: str, command: str) -> str:
        return self.starcluster("sshnode", TAG, node, command).stdout


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(Path(tmp_path_factory.mktemp("drives")), speed=200)
    try:
        made.starcluster("start", TAG)
        made.starcluster("addnode", "-a", "near", TAG)
        made.starcluster("addnode", "-a", "far", "-z", "us-east-1b", TAG)
        yield made
    finally:
        made.close()


@pytest.fixture
def data(scene: Scene) -> Iterator[Scene]:
    """With a drive, mounted and written to in the first zone."""
    scene.drive("create", "data", "1")
    scene.drive("attach", "data", TAG, "near", "/data")
    scene.on("near", "echo first > /data/log; sync")
    yield scene
    scene.drive("detach", "data", expect=None)
    scene.drive("remove", "-c", "data")


def test_a_drive_goes_to_another_zone_and_home_with_all_that_was_written(data: Scene) -> None:
    told = data.drive("attach", "data", TAG, "far", "/data", expect=1)
    assert "in use by" in told.stderr
    data.drive("detach", "data")
    data.drive("attach", "data", TAG, "far", "/data")
    assert data.on("far", "echo second >> /data/log; cat /data/log") == "first\nsecond\n"
    away = data.shown()
    assert (away["zone"], away["state"], away["forks"]) == ("us-east-1b", "in-use", [])
    assert len(away["superseded"]) == 1, "the old volume is kept until somebody prunes"
    assert away["superseded"][0] in data.drive("prune", "data").stdout.split()
    assert data.shown()["superseded"] == []
    data.drive("detach", "data")
    assert data.drive("move", "data", "us-east-1a").stdout.split()[-1] == data.shown()["volume_id"]
    data.drive("attach", "data", TAG, "near", "/data")
    assert data.on("near", "cat /data/log") == "first\nsecond\n"


@pytest.mark.long
def test_a_volume_that_was_deleted_by_mistake_comes_back_from_its_snapshot(data: Scene) -> None:
    kept = data.drive("snapshot", "data").stdout.split()[-1]
    data.on("near", "echo later >> /data/log; sync")
    data.drive("detach", "data")
    data.starcluster("removevolume", "-c", data.shown()["volume_id"])
    assert data.shown()["state"] == "snapshot"
    data.drive("attach", "data", TAG, "near", "/data")
    assert data.on("near", "cat /data/log") == "first\n"
    assert data.shown()["newest_snapshot"] == kept


@pytest.mark.long
def test_going_back_keeps_what_was_left_as_a_fork(data: Scene) -> None:
    kept = data.drive("snapshot", "data").stdout.split()[-1]
    data.on("near", "echo later >> /data/log; sync")
    told = data.drive("restore", "-c", "data", kept, "us-east-1b", expect=1)
    assert "starcluster drive detach data" in told.stderr
    data.drive("detach", "data")
    before = data.shown()["volume_id"]
    data.drive("restore", "-c", "data", kept, "us-east-1b")
    data.drive("attach", "data", TAG, "far", "/data")
    assert data.on("far", "cat /data/log") == "first\n"
    assert data.shown()["forks"] == [before]
    pruned = data.drive("prune", "data")
    assert "may hold writes" in pruned.stdout + pruned.stderr
    assert data.shown()["forks"] == [before], "it is never let go unasked"


def test_what_is_not_there_is_told_with_the_next_step(scene: Scene) -> None:
    assert "starcluster drive create nothing SIZE" in scene.drive("show", "nothing", expect=1).stderr
    assert "would keep no snapshot" in scene.drive("create", "odd", "1", "--keep", "0 daily", expect=2).stderr
    assert json.loads(scene.drive("list", "--json").stdout) == []
