"""What a look sees of the drives that the wishes name: three more reads of EC2, whatever their number; none without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from starcluster import names
from starcluster.clock import Clock
from starcluster.cluster import record
from starcluster.cluster.drives.drive import Drive, Shot
from starcluster.cluster.drives.plan import was_ever_used
from starcluster.cluster.drives.records import DriveRecords
from starcluster.model import Instance, SnapshotState
from starcluster.supervisor.look import DriveLook
from starcluster.supervisor.memory import Memory
from starcluster.supervisor.wishes import Wish

KEEPING = "keeping"  # the act that is left alone for a while after a snapshot has failed
_LIVING = (SnapshotState.PENDING, SnapshotState.COMPLETED)


class InstanceDoor(Protocol):
    def find(self, *, ids: Sequence[str]) -> Any: ...


class DriveSight:
    def __init__(self, records: DriveRecords, instances: InstanceDoor, *, memory: Memory, clock: Clock) -> None:
        self._records, self._instances, self._memory, self._clock = records, instances, memory, clock

    def look(self, wishes: Sequence[Wish], instances: Sequence[Instance]) -> dict[str, tuple[DriveLook, ...]]:
        """By folded name; raises AWSError when EC2 can not be read."""
        wanted = {drive.name for wish in wishes for drive in wish.drives}
        if not wanted:
            return {}
        found, broken = self._records.some(wanted)
        holders = self._holders(found.values(), instances)
        looks = {name: self._one(name, found.get(name), holders) for name in wanted}
        looks |= {name: DriveLook(name=name, broken=error.explain()) for name, error in broken.items()}
        return {names.fold(wish.name): tuple(looks[drive.name] for drive in wish.drives) for wish in wishes}

    def _holders(self, drives: Any, instances: Sequence[Instance]) -> dict[str, Instance]:
        """By id, the instances that may have a volume; those outside the cluster are asked for, if there are any."""
        known = {one.id: one for one in instances}
        held = {form.volume.holder.instance_id for one in drives for form in one.forms if form.volume.holder}
        strangers = sorted(held - known.keys())
        if strangers:
            known |= {one.id: one for one in self._instances.find(ids=strangers)}
        return known

    def _one(self, name: str, drive: Drive | None, holders: Mapping[str, Instance]) -> DriveLook:
        if drive is None:
            return DriveLook(name=name, exists=False)
        form, newest = drive.present, drive.newest_done
        holder = form.volume.holder.instance_id if form and form.volume.holder else ""
        living = holder in holders and holders[holder].state.is_in_cluster
        whole = [one for one in drive.shots if form and one.snapshot.state in _LIVING and one.has_all_of(form)]
        return DriveLook(
            name=name,
            zone=form.volume.zone if form else "",
            volume_id=form.id if form else "",
            holder=holder,
            holder_name=record.who(holders[holder]) if holder in holders else "",
            holder_lives=living,
            used=was_ever_used(drive),
            size=form.volume.size if form else _size(drive.record.shape),
            whole=any(one.is_done for one in whole),
            unsaved=bool(form and form.mark and not holder and not whole),
            pending=any(one.snapshot.state is SnapshotState.PENDING for one in drive.shots),
            newest=newest.id if newest else "",
            newest_age=self._work_since(newest, name, in_use=living) if newest else 0.0,
            unkept_for=self._unkept_for(drive),
            resting=self._memory.is_left_alone(KEEPING, name),
        )

    def _work_since(self, newest: Shot, name: str, *, in_use: bool) -> float:
        """The age of a snapshot, less the time for which nobody has had the drive: nothing was written then."""
        if in_use:
            self._memory.forget("idle", name)
            return self._age(newest.started)
        return max(0.0, self._age(newest.started) - self._memory.since("idle", name))

    def _unkept_for(self, drive: Drive) -> float:
        form = drive.present
        shots: list[Shot] = [one for one in drive.lineage if one.snapshot.state in _LIVING]
        moments = [one.started for one in shots[:1]]
        if form and form.volume.created:
            moments.append(form.volume.created)
        return self._age(max(moments)) if moments else 0.0

    def _age(self, moment: datetime) -> float:
        return max(0.0, (self._clock.now().astimezone(UTC) - moment).total_seconds() * self._clock.scale)


def _size(shape: Mapping[str, object]) -> int:
    size = shape.get("size")
    return size if isinstance(size, int) else 0
