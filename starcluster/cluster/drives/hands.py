"""Carries the steps of plan.py out, by EC2's calls. Each may be cut off at any moment and done again."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starcluster import exception, names
from starcluster.clock import Clock
from starcluster.cluster.drives import plan
from starcluster.cluster.drives.drive import (
    AT_REST,
    DRIVE,
    MADE_BY,
    MARK,
    MARKED_FOR,
    PROVEN,
    Drive,
    Entry,
    Form,
    Record,
)
from starcluster.cluster.drives.records import DriveRecords
from starcluster.cluster.record import CURRENT_SCHEMA, NAME, SCHEMA, who
from starcluster.logger import log
from starcluster.model import Instance, Snapshot, Volume

PAUSE = 3.0  # EC2's seconds between two looks
BRING_LIMIT = 3600.0  # of them; the snapshot of a large volume takes long


class VolumeDoor(Protocol):
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
    ) -> Volume: ...
    def detach(self, volume_id: str, *, instance_id: str = "", force: bool = False) -> None: ...
    def tag(self, volume_id: str, tags: Mapping[str, str]) -> None: ...


class SnapshotDoor(Protocol):
    def create(self, volume_id: str, *, description: str = "", tags: Mapping[str, str] | None = None) -> Snapshot: ...


class InstanceDoor(Protocol):
    def find(self, *, ids: Sequence[str]) -> list[Instance]: ...


@dataclass(frozen=True, kw_only=True)
class Target:
    """The instance that a drive is wanted on. `attach` attaches a volume to it and waits until it is attached."""

    instance_id: str
    zone: str
    attach: Callable[[str], object]
    lossy: bool = False


class Hands:
    def __init__(
        self,
        *,
        records: DriveRecords,
        volumes: VolumeDoor,
        snapshots: SnapshotDoor,
        instances: InstanceDoor,
        clock: Clock,
        limit: float = BRING_LIMIT,
    ) -> None:
        self.records, self.volumes, self.snapshots, self.instances = records, volumes, snapshots, instances
        self.clock, self.limit = clock, limit

    def bring(self, name: str, target: Target) -> Form:
        """Have the drive at the instance, ready to be mounted; UserMustAct when that is for the user to decide."""
        return self._until(name, target, plan.Use)

    def _until(self, name: str, target: Target, wanted: type[plan.Use | plan.Attach]) -> Form:
        end = self.clock.end_of(self.limit)
        said = ""
        while True:
            drive, place = self.look(name, target)
            _check_target(name, target, place)
            step = plan.next_step(drive, place)
            if isinstance(step, wanted) and self._still_holds(name, target, step):
                return step.form
            if self.clock.monotonic() > end:
                raise exception.WaitTimeout(f"drive {name}: {step.because}, for {self.limit / 60:.0f} minutes")
            if not isinstance(step, plan.Refuse) and said != (said := step.because):
                log.info("drive %s: %s", name, step.because)
            self.do(drive, step, target)

    def _still_holds(self, name: str, target: Target, step: plan.Use | plan.Attach) -> bool:
        """Whether it may be mounted. A look reads the entries before the volumes: when another driver attached it in
        between, what it may not have seen any more is an entry that stood there already, and sent the drive elsewhere.
        """
        return not isinstance(step, plan.Use) or plan.may_mount(*self.look(name, target), step.form)

    def bring_to_zone(self, name: str, zone: str, *, lossy: bool = False) -> Form:
        """Have the drive's volume in the zone, free for whoever wants it there."""
        return self._until(name, Target(instance_id="", zone=zone, attach=_nowhere, lossy=lossy), plan.Attach)

    def look(self, name: str, target: Target) -> tuple[Drive, plan.Place]:
        now = self.clock.now()  # before the reads: what they do not show yet may have been made since
        drive = self.records.get(name)
        held = {form.volume.holder.instance_id for form in drive.forms if form.volume.holder}
        ids = sorted(held | {target.instance_id} - {""})
        found = self.instances.find(ids=ids) if ids else []
        place = plan.Place(
            instance_id=target.instance_id,
            zone=target.zone,
            now=now,
            holders={one.id: one.state for one in found},
            names={one.id: who(one) for one in found},
            lossy=target.lossy,
        )
        return drive, place

    def do(self, drive: Drive, step: plan.Step, target: Target) -> None:
        """One step; raises UserMustAct on Refuse. Use is the caller's."""
        match step:
            case plan.Enter():
                self.records.enter(drive.record.name, step.entry)
            case plan.Make():
                self._make(drive, step.entry)
            case plan.TakeSnapshot():
                self.take_snapshot(drive.record, step.form, at_rest=True)
            case plan.Attach():
                self._attach(drive, step.form, target)
            case plan.Mark():
                self._mark(drive, step.form, target.instance_id)
            case plan.Refuse():
                raise exception.UserMustAct(step.because, hint=step.hint)
            case plan.Wait():
                self.clock.sleep(PAUSE)

    def _make(self, drive: Drive, entry: Entry) -> None:
        record = drive.record
        shape = _shape(record)
        size = max([int(shape.pop("size")), *(one.snapshot.size for one in drive.shots)])
        tags = {**_tags(record), NAME: f"{record.name}-{entry.number}", MADE_BY: entry.template_id}
        token = names.launch_token(owner=entry.template_id, alias=record.name, generation=entry.number, attempt=0)
        try:
            made = self.volumes.create(size, entry.zone, snapshot_id=entry.snapshot_id, tags=tags, token=token, **shape)
        except exception.VolumeDoesNotExist as error:
            log.debug("%s: it was made and somebody has deleted it since", error)
            self.clock.sleep(PAUSE)  # after plan.LAG the drive goes on from its snapshots
            return
        source = entry.snapshot_id or "nothing"
        log.info("drive %s: %s in %s is being made from %s", record.name, made.id, entry.zone, source)

    def take_snapshot(self, record: Record, form: Form, *, at_rest: bool) -> Snapshot:
        tags = self.snapshot_tags(record, form, at_rest=at_rest)
        return self.snapshots.create(form.id, description=f"drive {record.name}", tags=tags)

    def snapshot_tags(self, record: Record, form: Form, *, at_rest: bool) -> dict[str, str]:
        """`at_rest`: the volume was seen free; should somebody attach it right now, it gets another mark."""
        return {**_tags(record), MARK: form.mark, AT_REST: "1" if at_rest else ""}

    def _attach(self, drive: Drive, form: Form, target: Target) -> None:
        """Mark, attach, mark, and look whether the drive went elsewhere meanwhile: then it is given back unmounted.

        The first mark is for nobody: after a death in between nobody takes it for a use that began in good order.
        """
        if drive.top:
            self.records.note_use(drive.top)
        self._mark(drive, form, "")
        target.attach(form.id)
        self._mark(drive, form, target.instance_id)
        if not plan.may_mount(*self.look(drive.record.name, target), form):
            log.info("drive %s: it went elsewhere meanwhile; %s is given back", drive.record.name, form.id)
            self.volumes.detach(form.id, instance_id=target.instance_id)

    def _mark(self, drive: Drive, form: Form, instance_id: str) -> None:
        mark = f"{drive.top.number if drive.top else 0}:{uuid.uuid4().hex[:16]}"
        self.volumes.tag(form.id, {MARK: mark, MARKED_FOR: instance_id})

    def prove(self, form: Form) -> None:
        """Its file system was mounted in good order."""
        if not form.proven:
            self.volumes.tag(form.volume.id, {PROVEN: "1"})


def _check_target(name: str, target: Target, place: plan.Place) -> None:
    """A machine that is taken on the way wants no drive any more: another one may."""
    state = place.holders.get(target.instance_id)
    if state is not None and not state.is_in_cluster:
        raise exception.InstanceNotRunning(
            f"{target.instance_id} is {state}: the drive {name} does not go there any more",
            hint=f"starcluster drive show {name} tells where it is",
        )


def _nowhere(volume_id: str) -> None:
    raise exception.InvalidOperation(f"{volume_id} was to be moved, not attached")


def _shape(record: Record) -> dict[str, Any]:
    """How its volumes are made: size (GiB), kind, iops, throughput, encrypted, kms_key."""
    shape = dict(record.shape or {})
    shape.pop("filesystem", None)
    shape.setdefault("size", 1)
    return shape


def _tags(record: Record) -> dict[str, str]:
    return {SCHEMA: str(CURRENT_SCHEMA), DRIVE: record.name}
