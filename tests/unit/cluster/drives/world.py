"""EC2 as far as drives go, in memory: what is written to a volume is on it, a snapshot holds what was there.

`meanwhile` is called around every call, as anything may happen there: another driver at work, a kill, a death.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from starcluster import exception
from starcluster.cluster.drives.drive import DRIVE
from starcluster.cluster.drives.hands import Hands, Target
from starcluster.cluster.drives.records import DriveRecords
from starcluster.model import (
    Attachment,
    AttachmentState,
    Instance,
    InstanceState,
    LaunchTemplate,
    Snapshot,
    SnapshotState,
    Volume,
    VolumeState,
)
from tests.fakes.clock import StepClock

START = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Stepped(StepClock):
    def now(self) -> datetime:
        return START + timedelta(seconds=self.time)


@dataclass
class World:
    """`contents`: what is on each volume, and in each snapshot, by id."""

    clock: Stepped = field(default_factory=Stepped)
    meanwhile: Callable[[], None] = lambda: None
    made_volumes: dict[str, Volume] = field(default_factory=dict)
    made_snapshots: dict[str, Snapshot] = field(default_factory=dict)
    made_templates: dict[str, LaunchTemplate] = field(default_factory=dict)
    machines: dict[str, Instance] = field(default_factory=dict)
    contents: dict[str, list[int]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    mounted: dict[str, str] = field(default_factory=dict)  # instance -> volume
    count: int = 0

    def number(self) -> int:
        self.count += 1
        return self.count

    def launch(self, zone: str) -> Instance:
        made = Instance(id=f"i-{self.number():017x}", state=InstanceState.RUNNING, zone=zone)
        self.machines[made.id] = made
        return made

    def end(self, instance_id: str) -> None:
        """Sudden death; its volumes are free at once."""
        self.machines[instance_id] = replace(self.machines[instance_id], state=InstanceState.TERMINATED)
        for volume in list(self.made_volumes.values()):
            if volume.holder and volume.holder.instance_id == instance_id:
                self.free(volume.id)

    def free(self, volume_id: str) -> None:
        self.made_volumes[volume_id] = replace(
            self.made_volumes[volume_id], attachments=(), state=VolumeState.AVAILABLE
        )

    def finish_snapshots(self) -> None:
        for one in list(self.made_snapshots.values()):
            self.made_snapshots[one.id] = replace(one, state=SnapshotState.COMPLETED, progress=100)

    @property
    def records(self) -> DriveRecords:
        return DriveRecords(TemplateDoor(self), VolumeDoor(self), SnapshotDoor(self))

    def hands(self, limit: float = 3600.0) -> Hands:
        return Hands(
            records=self.records,
            volumes=VolumeDoor(self),
            snapshots=SnapshotDoor(self),
            instances=InstanceDoor(self),
            clock=self.clock,
            limit=limit,
        )

    def target(self, instance: Instance, *, lossy: bool = False) -> Target:
        door = VolumeDoor(self)
        return Target(
            instance_id=instance.id,
            zone=instance.zone,
            attach=lambda volume_id: door.attach(volume_id, instance.id),
            lossy=lossy,
        )


class Door:
    """Every call of EC2's; something may happen before it and after it."""

    def __init__(self, world: World) -> None:
        self.world = world


def _called(method: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Door, *args: Any, **options: Any) -> Any:
        self.world.meanwhile()
        answer = method(self, *args, **options)
        self.world.meanwhile()
        return answer

    return call


class TemplateDoor(Door):
    @_called
    def tagged(self, key: str, value: str = "*") -> list[LaunchTemplate]:
        return [one for one in self.world.made_templates.values() if value in (one.tags.get(key), "*")]

    @_called
    def create(self, name: str, tags: Mapping[str, str], data: Mapping[str, Any]) -> LaunchTemplate:
        if any(one.name == name for one in self.world.made_templates.values()):
            raise exception.ConflictError(f"{name} exists", code="InvalidLaunchTemplateName.AlreadyExistsException")
        made = LaunchTemplate(id=f"lt-{self.world.number()}", name=name, tags=dict(tags))
        self.world.made_templates[made.id] = made
        return made

    @_called
    def tag(self, template_id: str, tags: Mapping[str, str]) -> None:
        old = self.world.made_templates[template_id]
        self.world.made_templates[template_id] = replace(old, tags={**old.tags, **tags})

    @_called
    def delete(self, template_id: str) -> None:
        self.world.made_templates.pop(template_id, None)


class VolumeDoor(Door):
    @_called
    def find(
        self,
        *,
        ids: Sequence[str] = (),
        names: Sequence[str] = (),
        filters: Mapping[str, str | Iterable[str]] | None = None,
    ) -> list[Volume]:
        return [one for one in self.world.made_volumes.values() if not ids or one.id in ids]

    @_called
    def create(
        self,
        size: int,
        zone: str,
        *,
        kind: str = "gp3",
        snapshot_id: str = "",
        iops: int | None = None,
        throughput: int | None = None,
        encrypted: bool = False,
        kms_key: str = "",
        tags: Mapping[str, str] | None = None,
        token: str = "",
    ) -> Volume:
        world = self.world
        if token in world.tokens:
            if world.tokens[token] not in world.made_volumes:
                raise exception.VolumeDoesNotExist(f"{world.tokens[token]} is gone", code="InvalidVolume.NotFound")
            return world.made_volumes[world.tokens[token]]
        made = Volume(
            id=f"vol-{world.number():017x}",
            state=VolumeState.AVAILABLE,
            size=size,
            zone=zone,
            snapshot_id=snapshot_id,
            created=world.clock.now(),
            tags=dict(tags or {}),
        )
        if snapshot_id and world.made_snapshots[snapshot_id].state is not SnapshotState.COMPLETED:
            raise exception.ConflictError(f"{snapshot_id} is pending", code="IncorrectState")
        world.made_volumes[made.id] = made
        world.contents[made.id] = list(world.contents[snapshot_id]) if snapshot_id else []
        world.tokens[token] = made.id
        return made

    @_called
    def attach(self, volume_id: str, instance_id: str) -> None:
        world = self.world
        volume, machine = world.made_volumes.get(volume_id), world.machines[instance_id]
        if volume is None:
            raise exception.VolumeDoesNotExist(f"{volume_id} is gone", code="InvalidVolume.NotFound")
        if volume.holder or machine.state is not InstanceState.RUNNING:
            raise exception.ConflictError(f"{volume_id} is in use", code="VolumeInUse")
        assert volume.zone == machine.zone
        here = Attachment(
            volume_id=volume_id, instance_id=instance_id, device="/dev/sdf", state=AttachmentState.ATTACHED
        )
        world.made_volumes[volume_id] = replace(volume, state=VolumeState.IN_USE, attachments=(here,))

    @_called
    def detach(self, volume_id: str, *, instance_id: str = "", force: bool = False) -> None:
        volume = self.world.made_volumes.get(volume_id)
        here = volume is not None and volume.holder is not None and volume.holder.instance_id == instance_id
        if here and self.world.mounted.get(instance_id) != volume_id:  # a mounted one stays `busy`
            self.world.free(volume_id)

    @_called
    def delete(self, volume_id: str) -> None:
        volume = self.world.made_volumes.get(volume_id)
        if volume and volume.holder:
            raise exception.ConflictError(f"{volume_id} is in use", code="VolumeInUse")
        if volume:
            del self.world.made_volumes[volume_id]
            self.world.deleted.append(volume_id)

    @_called
    def tag(self, volume_id: str, tags: Mapping[str, str]) -> None:
        volume = self.world.made_volumes.get(volume_id)
        if volume is None:
            raise exception.VolumeDoesNotExist(f"{volume_id} is gone", code="InvalidVolume.NotFound")
        self.world.made_volumes[volume_id] = replace(volume, tags={**volume.tags, **tags})


class SnapshotDoor(Door):
    @_called
    def find(
        self,
        *,
        ids: Sequence[str] = (),
        names: Sequence[str] = (),
        volume_ids: Sequence[str] = (),
        filters: Mapping[str, str | Iterable[str]] | None = None,
    ) -> list[Snapshot]:
        return [one for one in self.world.made_snapshots.values() if DRIVE in one.tags]

    @_called
    def create(self, volume_id: str, *, description: str = "", tags: Mapping[str, str] | None = None) -> Snapshot:
        world = self.world
        if volume_id not in world.made_volumes:
            raise exception.VolumeDoesNotExist(f"{volume_id} is gone", code="InvalidVolume.NotFound")
        made = Snapshot(
            id=f"snap-{world.number():017x}",
            state=SnapshotState.PENDING,
            volume_id=volume_id,
            size=world.made_volumes[volume_id].size,
            started=world.clock.now(),
            tags=dict(tags or {}),
        )
        world.made_snapshots[made.id] = made
        world.contents[made.id] = list(world.contents[volume_id])
        return made


class InstanceDoor(Door):
    @_called
    def find(self, *, ids: Sequence[str]) -> list[Instance]:
        return [self.world.machines[one] for one in ids if one in self.world.machines]
