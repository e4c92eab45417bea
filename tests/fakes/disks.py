"""Volumes in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starcluster import exception
from starcluster.model import (
    Attachment,
    AttachmentState,
    BlockDevice,
    Instance,
    InstanceState,
    Modification,
    ModificationState,
    Volume,
    VolumeState,
)
from tests.fakes.trouble import REGION, fake_error

if TYPE_CHECKING:
    from tests.fakes.ec2 import FakeEc2

_AFTER = {
    ModificationState.MODIFYING: ModificationState.OPTIMIZING,
    ModificationState.OPTIMIZING: ModificationState.COMPLETED,
}


class FakeVolumes:
    def __init__(self, ec2: FakeEc2) -> None:
        self.ec2 = ec2
        self.all: dict[str, Volume] = {}
        self.tokens: dict[str, str] = {}
        self.changes: dict[str, Modification] = {}

    def _set(self, volume_id: str, **changes: Any) -> Volume:
        self.all[volume_id] = dataclasses.replace(self.all[volume_id], **changes)
        return self.all[volume_id]

    def advance(self) -> None:
        for one in list(self.all.values()):
            if one.state is VolumeState.CREATING:
                self._set(one.id, state=VolumeState.AVAILABLE)
            elif one.holder and one.holder.state is AttachmentState.ATTACHING:
                self._set(one.id, attachments=(dataclasses.replace(one.holder, state=AttachmentState.ATTACHED),))
            elif one.holder and one.holder.state is AttachmentState.DETACHING:
                self.release(one.id, one.holder.instance_id)
        for change in list(self.changes.values()):
            after = _AFTER.get(change.state, change.state)
            self.changes[change.volume_id] = dataclasses.replace(change, state=after)

    def release(self, volume_id: str, instance_id: str, *, delete: bool = False) -> None:
        if delete:
            self.all.pop(volume_id, None)
        elif volume_id in self.all:
            self._set(volume_id, state=VolumeState.AVAILABLE, attachments=())
        instance = self.ec2.instances.all.get(instance_id)
        if instance is not None:
            left = tuple(one for one in instance.block_devices if one.volume_id != volume_id)
            self.ec2.instances._set(instance_id, block_devices=left)

    def new_root(self, instance: Instance) -> str:
        volume_id = self.ec2.new_id("vol")
        self.all[volume_id] = Volume(
            id=volume_id,
            state=VolumeState.IN_USE,
            size=8,
            zone=instance.zone,
            created=self.ec2.now,
            attachments=(
                Attachment(
                    volume_id=volume_id,
                    instance_id=instance.id,
                    device="/dev/sda1",
                    state=AttachmentState.ATTACHED,
                ),
            ),
            tags=dict(instance.tags),
        )
        return volume_id

    def find(
        self,
        *,
        ids: Sequence[str] = (),
        names: Sequence[str] = (),
        filters: Mapping[str, str | Iterable[str]] | None = None,
    ) -> list[Volume]:
        self.ec2.note("volumes.find", tuple(ids) or tuple(names))
        self.ec2.tick()
        return [
            one
            for one in self.all.values()
            if (not ids or one.id in ids)
            and (not names or one.name in names)
            and all(_fits(one, key, value) for key, value in (filters or {}).items())
        ]

    def get(self, id_or_name: str) -> Volume:
        found = [one for one in self.find() if id_or_name in (one.id, one.name)]
        if len(found) > 1:
            raise exception.UserMustAct(f"{len(found)} volumes are named '{id_or_name}'")
        if not found:
            raise exception.VolumeDoesNotExist(f"volume '{id_or_name}' does not exist in {REGION}")
        return found[0]

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
        self.ec2.note("volumes.create", (size, zone))
        if zone not in self.ec2.zone_names:
            raise fake_error("InvalidZone.NotFound", f"there is no zone '{zone}'")
        if token and token in self.tokens:
            if self.tokens[token] not in self.all:
                raise fake_error("InvalidVolume.NotFound", f"{self.tokens[token]} does not exist")
            return self.all[self.tokens[token]]
        self.ec2.snapshots.check_ready(snapshot_id)
        volume_id = self.ec2.new_id("vol")
        self.tokens[token] = volume_id
        self.all[volume_id] = Volume(
            id=volume_id,
            state=VolumeState.CREATING,
            size=size,
            zone=zone,
            kind=kind,
            iops=iops or (3000 if kind == "gp3" else None),
            throughput=throughput or (125 if kind == "gp3" else None),
            encrypted=encrypted or bool(kms_key),
            kms_key=kms_key,
            snapshot_id=snapshot_id,
            created=self.ec2.now,
            tags=dict(tags or {}),
        )
        return self.all[volume_id]

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        self.ec2.note("volumes.attach", (volume_id, instance_id, device))
        volume, instance = self.all[volume_id], self.ec2.instances.all[instance_id]
        if volume.state is not VolumeState.AVAILABLE:
            raise fake_error("VolumeInUse", f"{volume_id} is {volume.state}")
        if volume.zone != instance.zone:
            raise fake_error("InvalidVolume.ZoneMismatch")
        if instance.state not in (InstanceState.RUNNING, InstanceState.STOPPED):
            raise fake_error("IncorrectState", f"{instance_id} is {instance.state}")
        held = Attachment(volume_id=volume_id, instance_id=instance_id, device=device, state=AttachmentState.ATTACHING)
        self._set(volume_id, state=VolumeState.IN_USE, attachments=(held,))
        devices = (*instance.block_devices, BlockDevice(device=device, volume_id=volume_id))
        self.ec2.instances._set(instance_id, block_devices=devices)

    def detach(self, volume_id: str, *, instance_id: str = "", force: bool = False) -> None:
        self.ec2.note("volumes.detach", volume_id)
        holder = self.all[volume_id].holder
        if holder is not None and instance_id not in ("", holder.instance_id):
            raise fake_error("InvalidAttachment.NotFound", f"{volume_id} is not attached to {instance_id}")
        if holder is not None:
            self._set(volume_id, attachments=(dataclasses.replace(holder, state=AttachmentState.DETACHING),))

    def delete(self, volume_id: str) -> None:
        self.ec2.note("volumes.delete", volume_id)
        if volume_id in self.all and self.all[volume_id].holder:
            raise fake_error("VolumeInUse", f"{volume_id} is in use")
        self.all.pop(volume_id, None)

    def modify(
        self,
        volume_id: str,
        *,
        size: int = 0,
        kind: str = "",
        iops: int | None = None,
        throughput: int | None = None,
    ) -> Modification:
        self.ec2.note("volumes.modify", (volume_id, size))
        before = self.all[volume_id]
        last = self.changes.get(volume_id)
        if last and last.state is not ModificationState.COMPLETED:
            raise fake_error("IncorrectModificationState")
        changed = self._set(
            volume_id,
            size=size or before.size,
            kind=kind or before.kind,
            iops=iops or before.iops,
            throughput=throughput or before.throughput,
        )
        self.changes[volume_id] = Modification(
            volume_id=volume_id,
            state=ModificationState.MODIFYING,
            size=changed.size,
            kind=changed.kind,
            iops=changed.iops,
            throughput=changed.throughput,
            started=self.ec2.now,
        )
        return self.changes[volume_id]

    def modifications(self, volume_id: str = "") -> dict[str, Modification]:
        self.ec2.note("volumes.modifications", volume_id)
        return dict(self.changes)

    def modification(self, volume_id: str) -> Modification | None:
        self.ec2.note("volumes.modification", volume_id)
        self.ec2.tick()
        return self.changes.get(volume_id)

    def tag(self, volume_id: str, tags: Mapping[str, str]) -> None:
        self.ec2.note("volumes.tag", volume_id)
        self._set(volume_id, tags={**self.all[volume_id].tags, **tags})


def _fits(volume: Volume, key: str, wanted: str | Iterable[str]) -> bool:
    """EC2's filters that our verbs use."""
    values = [wanted] if isinstance(wanted, str) else list(wanted)
    if key.startswith("tag:"):
        return volume.tags.get(key.removeprefix("tag:")) in values
    facts = {
        "status": volume.state,
        "availability-zone": volume.zone,
        "size": str(volume.size),
        "snapshot-id": volume.snapshot_id,
        "attachment.instance-id": volume.holder.instance_id if volume.holder else "",
        "attachment.status": volume.holder.state if volume.holder else "",
    }
    if key == "tag-key":
        return any(value in volume.tags for value in values)
    return str(facts[key]) in values
