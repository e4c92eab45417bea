"""Images of running nodes: killed anywhere and repeated, one image comes of it and no secret stays hidden."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from starcluster import exception
from starcluster.clock import Clock
from starcluster.cluster import imaging, private
from starcluster.cluster.volumes import MAKING
from starcluster.model import Instance, InstanceState
from tests.fakes.ec2 import FakeEc2

WISH = imaging.ImageWish(name="mine")
INSTANCE = Instance(id="i-1", state=InstanceState.RUNNING, image_id="ami-00000000000002404")


class Ssh:
    """A node's shell that knows only what is hidden; `dies_at` is the script at which we are killed."""

    def __init__(self) -> None:
        self.hidden = False
        self.late = False  # the node has put everything back by itself
        self.agent = False
        self.dies_at = ""

    def script(self, text: str, *, what: str) -> list[str]:
        if self.dies_at and self.dies_at in what:
            self.dies_at = ""
            raise KeyboardInterrupt
        if "keep what is private" in what:
            self.hidden = True
            return ["/root/.ssh"]
        if "put back" in what:
            was, self.hidden = self.hidden and not self.late, False
            return ["back" if was else "late"]
        return ["runs"] if "agent" in what and self.agent else []


class Scene:
    def __init__(self) -> None:
        self.ec2 = FakeEc2()
        self.clusters: Any = SimpleNamespace(ec2=self.ec2, clock=Clock(1000.0))
        self.ssh = Ssh()
        self.node: Any = SimpleNamespace(
            ssh=self.ssh, id="i-1", alias="node001", described=INSTANCE, image_id=INSTANCE.image_id
        )

    def make(self) -> str:
        return imaging.make_image(self.clusters, self.node, WISH).id

    @property
    def orphans(self) -> set[str]:
        """Snapshots of no image."""
        used = {one for image in self.ec2.images.made.values() for one in image.snapshot_ids}
        return set(self.ec2.snapshots.all) - used


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_an_image_is_made_while_nothing_private_is_on_the_disk(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    create = scene.ec2.images.create
    monkeypatch.setattr(
        scene.ec2.images, "create", lambda *words, **more: (seen.append(scene.ssh.hidden), create(*words, **more))[1]
    )
    image_id = scene.make()
    [image] = scene.ec2.images.made.values()
    assert (image.id, image.state, MAKING in image.tags, seen) == (image_id, "available", False, [True])
    assert image.tags["@sc-login-user"] == "ubuntu"
    assert not scene.ssh.hidden


def test_a_name_that_is_taken_is_an_error(scene: Scene) -> None:
    scene.make()
    with pytest.raises(exception.ConflictError, match="there is an image 'mine' already"):
        scene.make()
    assert len(scene.ec2.images.made) == 1


def test_an_answer_that_was_lost_is_no_second_image(scene: Scene) -> None:
    scene.ec2.images.lost_answers = 1
    assert scene.make() == next(iter(scene.ec2.images.made))


@pytest.mark.parametrize("call", ["images.create", "images.find", "images.own", "images.untag", "snapshots.find"])
@pytest.mark.parametrize("nth", [1, 2])
def test_killed_at_any_call_and_repeated_there_is_one_image_and_no_orphan(
    scene: Scene, call: str, nth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, left = scene.ec2.note, [nth]

    def dies(method: str, about: Any = None) -> None:
        note(method, about)
        if method == call:
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt

    monkeypatch.setattr(scene.ec2, "note", dies)
    try:
        scene.make()
    except KeyboardInterrupt:
        assert not scene.ssh.hidden
        scene.make()
    [image] = scene.ec2.images.made.values()
    assert (image.name, MAKING in image.tags, scene.orphans) == ("mine", False, set())


@pytest.mark.parametrize("script", ["keep what", "look where", "put back"])
def test_killed_at_a_script_and_repeated_the_same(scene: Scene, script: str) -> None:
    scene.ssh.dies_at = script
    with pytest.raises(KeyboardInterrupt):
        scene.make()
    scene.make()
    assert (len(scene.ec2.images.made), scene.orphans, scene.ssh.hidden) == (1, set(), False)


def test_what_was_made_after_the_keys_were_back_is_removed(scene: Scene) -> None:
    scene.ssh.late = True
    with pytest.raises(exception.ConflictError, match="has put its keys back"):
        scene.make()
    assert (scene.ec2.images.made, scene.ec2.snapshots.all) == ({}, {})


def test_a_failed_image_is_told_and_replaced_by_the_next_run(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    create = scene.ec2.images.create

    def burns(*words: Any, **more: Any) -> str:
        image_id = create(*words, **more)
        scene.ec2.snapshots.spoil(scene.ec2.images.made[image_id].snapshot_ids[0])
        return image_id

    monkeypatch.setattr(scene.ec2.images, "create", burns)
    with pytest.raises(exception.ConflictError, match="the disk burns"):
        scene.make()
    monkeypatch.undo()
    first = next(iter(scene.ec2.images.made))
    assert scene.make() != first
    assert (len(scene.ec2.images.made), scene.orphans) == (1, set())


def test_a_node_that_a_driver_keeps_is_not_imaged(scene: Scene) -> None:
    scene.ssh.agent = True
    with pytest.raises(exception.ConflictError, match="kept alive by a driver"):
        scene.make()
    assert scene.ec2.images.made == {}


def test_removing_takes_the_snapshots_along_and_may_be_repeated(scene: Scene) -> None:
    image = scene.ec2.images.made[scene.make()]
    scene.ec2.images.deregister(image.id)  # and here the first run was killed
    [left] = imaging.left_snapshots(scene.ec2, image.id)
    assert imaging.delete_snapshots(scene.ec2, [left.id]) == [left.id]
    assert imaging.left_snapshots(scene.ec2, image.id) == []


def test_a_snapshot_that_another_image_uses_stays(scene: Scene) -> None:
    image = scene.ec2.images.made[scene.make()]
    with_data = imaging.remove_image(scene.ec2, image, keep_data=True)
    scene.ec2.snapshots.in_images |= set(image.snapshot_ids)
    assert (with_data, imaging.delete_snapshots(scene.ec2, image.snapshot_ids)) == ([], [])
    assert set(scene.ec2.snapshots.all) == set(image.snapshot_ids)


def test_the_script_is_bash(tmp_path) -> None:
    import subprocess

    for text in (private.hide_script(["10.0.0.1"]), private._BACK.format(stash="/x")):
        subprocess.run(["bash", "-n"], input=text.encode(), check=True)
