"""Machine images in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.model import Image, ImageDisk, Snapshot, SnapshotState
from tests.fakes.trouble import fake_error

if TYPE_CHECKING:
    from tests.fakes.ec2 import FakeEc2

OWNER = "123456789012"


class FakeImages:
    """The friendly names, and images that were created: pending until `advance` (of their snapshots) is done."""

    def __init__(self, ec2: FakeEc2) -> None:
        self.ec2 = ec2
        self.all = {"ubuntu-24.04": "ami-00000000000002404", "amazon-linux-2023": "ami-00000000000002023"}
        self.made: dict[str, Image] = {}
        self.lost_answers = 0  # of so many calls of create the caller hears nothing

    def resolve(self, name_or_id: str, *, architecture: str = "x86_64") -> Image:
        return self.get(self.all.get(name_or_id, name_or_id))

    def find(self, image_id: str) -> Image | None:
        self.ec2.note("images.find", image_id)
        self.ec2.tick()
        if image_id in self.made:
            return self._now(self.made[image_id])
        return Image(id=image_id, name=image_id) if image_id in self.all.values() else None

    def get(self, image_id: str) -> Image:
        if image_id in self.made:
            return self._now(self.made[image_id])
        if not image_id.startswith("ami-"):
            raise exception.ImageDoesNotExist(f"image '{image_id}' does not exist")
        return Image(id=image_id, name=image_id)

    def own(self, *, names: Sequence[str] = ()) -> list[Image]:
        self.ec2.note("images.own", tuple(names))
        self.ec2.tick()
        return [self._now(one) for one in self.made.values() if not names or one.name in names]

    def executable(self) -> list[Image]:
        self.ec2.note("images.executable")
        return []

    def stock(self) -> list[tuple[str, Image]]:
        self.ec2.note("images.stock")
        return [(name, Image(id=image_id, name=f"stock/{name}")) for name, image_id in self.all.items()]

    def _now(self, image: Image) -> Image:
        shots = [self.ec2.snapshots.all[one] for one in image.snapshot_ids if one in self.ec2.snapshots.all]
        if any(one.state is SnapshotState.ERROR for one in shots):
            return dataclasses.replace(image, state="failed", message="the disk burns")
        done = all(one.state is SnapshotState.COMPLETED for one in shots)
        return dataclasses.replace(image, state="available" if done else "pending")

    def create(
        self, instance_id: str, name: str, *, description: str, without: Iterable[str], tags: Mapping[str, str]
    ) -> str:
        self.ec2.note("images.create", (instance_id, tuple(without)))
        if any(one.name == name for one in self.made.values()):
            raise fake_error("InvalidAMIName.Duplicate")
        image_id, snapshot_id = self.ec2.new_id("ami"), self.ec2.new_id("snap")
        self.ec2.snapshots.all[snapshot_id] = Snapshot(
            id=snapshot_id, state=SnapshotState.PENDING, volume_id="vol-root", size=8, started=self.ec2.now, tags=tags,
            description=f"Created by CreateImage({instance_id}) for {image_id}",
        )  # fmt: skip
        self.ec2.snapshots.in_images.add(snapshot_id)
        disk = ImageDisk(device="/dev/sda1", snapshot_id=snapshot_id, size=8, kind="gp3")
        self.made[image_id] = Image(
            id=image_id, name=name, description=description, tags=dict(tags), disks=(disk,), owner=OWNER
        )
        if self.lost_answers:
            self.lost_answers -= 1
            raise exception.TransientError("the answer was lost", code="RequestTimeout")
        return image_id

    def deregister(self, image_id: str) -> None:
        self.ec2.note("images.deregister", image_id)
        image = self.made.pop(image_id, None)
        self.ec2.snapshots.in_images -= set(image.snapshot_ids) if image else set()

    def untag(self, ids: Sequence[str], key: str) -> None:
        self.ec2.note("images.untag", tuple(ids))
        for one in ids:
            if one in self.made:
                tags = {name: value for name, value in self.made[one].tags.items() if name != key}
                self.made[one] = dataclasses.replace(self.made[one], tags=tags)
