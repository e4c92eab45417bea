"""Snapshots in memory."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.model import Snapshot, SnapshotState
from tests.fakes.trouble import fake_error

if TYPE_CHECKING:
    from tests.fakes.ec2 import FakeEc2


class FakeSnapshots:
    """`advance` brings a pending one half of its way; `spoil` lets it fail."""

    def __init__(self, ec2: FakeEc2) -> None:
        self.ec2 = ec2
        self.all: dict[str, Snapshot] = {}
        self.in_images: set[str] = set()

    def advance(self) -> None:
        for one in list(self.all.values()):
            if one.state is SnapshotState.PENDING:
                progress = min(100, one.progress + 50)
                state = SnapshotState.COMPLETED if progress == 100 else SnapshotState.PENDING
                self.all[one.id] = dataclasses.replace(one, progress=progress, state=state)

    def spoil(self, snapshot_id: str, message: str = "") -> None:
        found = self.all[snapshot_id]
        self.all[snapshot_id] = dataclasses.replace(found, state=SnapshotState.ERROR, message=message)

    def find(
        self,
        *,
        ids: Sequence[str] = (),
        names: Sequence[str] = (),
        volume_ids: Sequence[str] = (),
        filters: Mapping[str, str | Iterable[str]] | None = None,
    ) -> list[Snapshot]:
        self.ec2.note("snapshots.find", tuple(ids) or tuple(names))
        self.ec2.tick()
        return [
            one
            for one in self.all.values()
            if (not ids or one.id in ids)
            and (not names or one.name in names)
            and (not volume_ids or one.volume_id in volume_ids)
            and all(_fits(one, key, value) for key, value in (filters or {}).items())
        ]

    def of_volumes(self, volume_ids: Sequence[str]) -> dict[str, list[str]]:
        self.ec2.note("snapshots.of_volumes", tuple(volume_ids))
        return {volume_id: [one.id for one in self.find(volume_ids=[volume_id])] for volume_id in volume_ids}

    def get(self, id_or_name: str) -> Snapshot:
        found = [one for one in self.find() if id_or_name in (one.id, one.name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise exception.UserMustAct(f"{len(found)} snapshots are named '{id_or_name}'")
        raise exception.NotFoundError(f"snapshot '{id_or_name}' does not exist", code="InvalidSnapshot.NotFound")

    def create(self, volume_id: str, *, description: str = "", tags: Mapping[str, str] | None = None) -> Snapshot:
        self.ec2.note("snapshots.create", volume_id)
        volume = self.ec2.volumes.all[volume_id]
        made = Snapshot(
            id=self.ec2.new_id("snap"),
            state=SnapshotState.PENDING,
            volume_id=volume_id,
            size=volume.size,
            description=description,
            encrypted=volume.encrypted,
            started=self.ec2.now,
            tags=dict(tags or {}),
        )
        self.all[made.id] = made
        return made

    def delete(self, snapshot_id: str) -> None:
        self.ec2.note("snapshots.delete", snapshot_id)
        if snapshot_id in self.in_images:
            raise fake_error("InvalidSnapshot.InUse")
        self.all.pop(snapshot_id, None)

    def tag(self, snapshot_id: str, tags: Mapping[str, str]) -> None:
        self.ec2.note("snapshots.tag", snapshot_id)
        found = self.all[snapshot_id]
        self.all[snapshot_id] = dataclasses.replace(found, tags={**found.tags, **tags})

    def check_ready(self, snapshot_id: str) -> None:
        """What CreateVolume says of a snapshot."""
        if snapshot_id and snapshot_id not in self.all:
            raise fake_error("InvalidSnapshot.NotFound")
        if snapshot_id and self.all[snapshot_id].state is not SnapshotState.COMPLETED:
            raise fake_error("IncorrectState", f"{snapshot_id} is not completed")


def _fits(snapshot: Snapshot, key: str, value: str | Iterable[str]) -> bool:
    """EC2's filters by tag and by description, with * in the value."""
    told = snapshot.description if key == "description" else snapshot.tags.get(key.removeprefix("tag:"))
    return told is not None and fnmatch.fnmatchcase(told, str(value).replace("[", "[[]"))
