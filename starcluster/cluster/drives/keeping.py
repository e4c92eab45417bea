"""What is done with drives: made, brought to a node and mounted, taken away, moved, kept by snapshots, let go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.aws import prices
from starcluster.cluster import mounting, snapshotting
from starcluster.cluster.drives import plan
from starcluster.cluster.drives.drive import Drive, Form, Record, Shot
from starcluster.cluster.drives.hands import Hands, Target
from starcluster.cluster.drives.records import DriveRecords
from starcluster.cluster.drives.retention import DEFAULT, Kept, read_keep, to_remove
from starcluster.cluster.record import who
from starcluster.logger import log
from starcluster.model import Snapshot, SnapshotState, Volume

if TYPE_CHECKING:
    from starcluster.cluster.cluster import Clusters
    from starcluster.cluster.node import Node


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What was let go, and the volumes that were kept because they may hold what the drive lacks."""

    snapshots: tuple[str, ...]
    volumes: tuple[str, ...]
    forks: tuple[str, ...]


class _Taker:
    """Snapshots as the hands take them: tried again, and found again when the answer was lost."""

    def __init__(self, clusters: Clusters) -> None:
        self._clusters = clusters

    def create(self, volume_id: str, *, description: str = "", tags: Mapping[str, str] | None = None) -> Snapshot:
        volume = self._clusters.ec2.volumes.get(volume_id)
        return snapshotting.take_snapshot(self._clusters, volume, description=description, tags=tags)


class Drives:
    """The drives of a region."""

    def __init__(self, clusters: Clusters) -> None:
        self._clusters, ec2 = clusters, clusters.ec2
        self._ec2 = ec2
        self.records = DriveRecords(ec2.templates, ec2.volumes, ec2.snapshots)
        self._hands = Hands(
            records=self.records,
            volumes=ec2.volumes,
            snapshots=_Taker(clusters),
            instances=ec2.instances,
            clock=clusters.clock,
        )

    def create(self, name: str, *, shape: Mapping[str, object], keep: str) -> Record:
        """Nothing is made yet but the record: the volume comes where the drive is first wanted."""
        read_keep(keep)
        try:
            return self.records.create(name, shape=shape, keep=keep)
        except exception.ConflictError as error:
            raise exception.ConflictError(
                f"there is a drive '{name}' already", code=error.code, hint=f"starcluster drive show {name}"
            ) from error

    def ensure(self, name: str, *, shape: Mapping[str, object], keep: str) -> None:
        """The drive, made unless there is one; UserMustAct when there is none and no size to make it with."""
        if self.records.exists(name):
            return
        if not shape.get("size"):
            raise exception.UserMustAct(
                f"there is no drive '{name}'",
                hint=f"starcluster drive create {name} SIZE, or a section [drive {name}] in train.cfg with its size",
            )
        try:
            self.create(name, shape=shape, keep=keep or DEFAULT)
        except exception.ConflictError as error:
            log.debug("somebody else has made the drive %s just now: %s", name, error)

    # --- to a node and away

    def bring(
        self,
        name: str,
        node: Node,
        path: str,
        *,
        shape: Mapping[str, object],
        keep: str = DEFAULT,
        may_lose: float = 0.0,
    ) -> str:
        """As attach, of a drive that is made if there is none; what it has left behind for good is deleted then."""
        self.ensure(name, shape=shape, keep=keep)
        mounted = self.attach(name, node, path, may_lose=may_lose)
        try:
            self.prune(name)
        except exception.AWSError as error:
            log.debug("drive %s is not tidied up: %s", name, error)
        return mounted

    def attach(self, name: str, node: Node, path: str, *, lossy: bool = False, may_lose: float = 0.0) -> str:
        """Have the drive mounted at the path on a running node, wherever it is now. May be repeated.

        `lossy`: rather its newest snapshot than waiting for all that was written; also where that snapshot is at most
        `may_lose` of EC2's seconds old.
        """
        mounting.check_path(path)
        drive = self.records.get(name)
        record, lossy = drive.record, lossy or self._may_lose(drive, may_lose)
        target = Target(instance_id=node.id, zone=node.placement, attach=node.attach_volume, lossy=lossy)
        form = self._hands.bring(name, target)
        holder = form.volume.holder
        disk = node.find_volume_device(form.id, holder.device if holder else "")
        try:
            self._format_the_first(node, record, form, disk)
            mounting.mount(node, disk, path.rstrip("/"))
        except exception.BaseException:
            log.warning("%s stays attached to %s: starcluster drive detach %s takes it away", form.id, node.alias, name)
            raise
        self._hands.prove(form)
        log.info("drive %s (%s) is mounted at %s on %s", name, form.id, path, node.alias)
        return path.rstrip("/")

    def _may_lose(self, drive: Drive, seconds: float) -> bool:
        """Never with 0: by a clock that is behind EC2's a snapshot may be younger than nothing."""
        newest, clock = drive.newest_done, self._clusters.clock
        if not seconds or newest is None:
            return False
        return (clock.now() - newest.started).total_seconds() * clock.scale <= seconds

    def _format_the_first(self, node: Node, record: Record, form: Form, disk: str) -> None:
        """Only what nobody ever mounted gets a file system, and only if it is empty."""
        if form.proven:
            return
        device = node.choose_partition(disk)
        if not node.filesystem(device) and plan.is_blank(self.records.get(record.name), form):
            node.make_filesystem(device, str(record.shape.get("filesystem") or "ext4"))

    def detach(self, name: str, *, force: bool = False) -> None:
        """Unmount and detach, and wait until it is free; one that nobody has is no error."""
        present = self.records.get(name).present
        if present is not None:
            mounting.detach_volume(self._clusters, present.volume, force=force)

    def move(self, name: str, zone: str, *, lossy: bool = False) -> Volume:
        """Have the drive's volume in the zone, free. UserMustAct while somebody uses it."""
        form = self._hands.bring_to_zone(name, zone, lossy=lossy)
        return form.volume

    # --- snapshots

    def snapshot(self, name: str) -> Snapshot:
        """Keep what is on it now; where it is mounted its file system stands still for an instant."""
        drive = self.records.get(name)
        form = _in_a_volume(drive)
        tags = self._hands.snapshot_tags(drive.record, form, at_rest=form.volume.holder is None)
        return snapshotting.take_snapshot(self._clusters, form.volume, description=f"drive {name}", tags=tags)

    def prune(self, name: str) -> Pruned:
        """Let go what the rule does not keep, and volumes whose every write the present one has."""
        drive, now = self.records.get(name), self._clusters.clock.now()
        done = [one for one in drive.shots if one.is_done]
        kept = [Kept(id=one.id, at=one.started) for one in done]
        failed = [one.id for one in drive.shots if one.snapshot.state is SnapshotState.ERROR]
        gone = failed + to_remove(kept, read_keep(drive.record.keep), protected=plan.needed_snapshots(drive))
        volumes = plan.removable(drive, now)
        for one in volumes:
            self._ec2.volumes.delete(one.id)
        for snapshot_id in gone:
            self._ec2.snapshots.delete(snapshot_id)
        forks = tuple(one.id for one in plan.forks(drive))
        return Pruned(snapshots=tuple(gone), volumes=tuple(one.id for one in volumes), forks=forks)

    def restore(self, name: str, snapshot_id: str, zone: str) -> Volume:
        """Go back to an older state, on purpose: what was written since stays on the volume that was, as a fork."""
        drive = self.records.get(name)
        shot = _shot(drive, snapshot_id)
        self._refuse_used(drive, self._alive(drive.forms))
        snapshotting.wait_stored(self._clusters, shot.snapshot)
        if not plan.has_gone_back(drive, zone, shot):
            self._go_back(drive, zone, shot)
        return self.move(name, zone)

    def _go_back(self, drive: Drive, zone: str, shot: Shot) -> None:
        place, name = plan.Place(instance_id="", zone=zone, now=self._clusters.clock.now()), drive.record.name
        if not self.records.enter(name, plan.going_back(drive, place, shot).entry):
            raise exception.ConflictError(f"somebody else moves the drive {name} right now", hint="look and try again")

    # --- the end

    def remove(self, name: str) -> None:
        """Delete the drive for good: its volumes, its snapshots and what tells of them."""
        drive = self.records.get(name)
        held = [one for one in drive.forms if one.volume.holder]
        self._refuse_used(drive, held)
        for form in drive.forms:
            self._ec2.volumes.delete(form.id)
        for shot in drive.shots:
            self._ec2.snapshots.delete(shot.id)
        self.records.forget(drive)

    def _refuse_used(self, drive: Drive, held: list[Form]) -> None:
        holder = held[0].volume.holder if held else None
        if holder:
            found = self._ec2.instances.find(ids=[holder.instance_id])
            raise exception.ConflictError(
                f"the drive {drive.record.name} is in use: {held[0].id} is at"
                f" {who(found[0]) if found else holder.instance_id}",
                code="VolumeInUse",
                hint=f"starcluster drive detach {drive.record.name}",
            )

    def _alive(self, forms: Iterable[Form]) -> list[Form]:
        held = {one.volume.holder.instance_id: one for one in forms if one.volume.holder}
        found = self._ec2.instances.find(ids=sorted(held)) if held else []
        return [held[one.id] for one in found if one.state.is_in_cluster]


def _in_a_volume(drive: Drive) -> Form:
    if drive.present is None:
        raise exception.ConflictError(
            f"the drive {drive.record.name} has no volume now: it rests as a snapshot, or was never used",
            hint=f"starcluster drive show {drive.record.name}",
        )
    return drive.present


def _shot(drive: Drive, snapshot_id: str) -> Shot:
    found = drive.shot(snapshot_id)
    if found is None:
        known = ", ".join(one.id for one in drive.shots) or "none"
        raise exception.NotFoundError(
            f"{snapshot_id} is no snapshot of the drive {drive.record.name}", hint=f"its snapshots: {known}"
        )
    return found


def facts(drive: Drive, now: datetime, aliases: Mapping[str, str]) -> dict[str, object]:
    """What a listing shows of a drive; `aliases`: what the instances are called, by id.

    US dollars a month are by the list prices of us-east-1; other regions are some per cent dearer.
    """
    present, shape = drive.present, drive.record.shape
    holder = present.volume.holder if present else None
    newest = drive.newest_done
    return {
        "drive": drive.record.name,
        "size_gb": present.volume.size if present else shape.get("size"),
        "type": shape.get("kind", "gp3"),
        "state": _state(drive),
        "volume_id": present.id if present else None,
        "zone": present.volume.zone if present else None,
        "used_by": aliases.get(holder.instance_id, holder.instance_id) if holder else None,
        "snapshots": len(drive.shots),
        "newest_snapshot": newest.id if newest else None,
        "newest_snapshot_at": newest.started.isoformat() if newest else None,
        "keep": drive.record.keep,
        "volumes_usd_month": round(sum(_volume_month(one) for one in drive.forms), 4),
        "snapshots_usd_month_at_most": round(sum(_snapshot_month(one) for one in drive.shots), 4),
        "superseded": [one.id for one in plan.removable(drive, now)],
        "forks": [one.id for one in plan.forks(drive)],
    }


def _volume_month(form: Form) -> float:
    volume = form.volume
    return prices.volume_month(volume.kind, volume.size, volume.iops, volume.throughput)


def _snapshot_month(shot: Shot) -> float:
    """As if it shared nothing with the others: EC2 does not tell what it alone holds."""
    stored, size = shot.snapshot.data_bytes, float(shot.snapshot.size)
    return prices.SNAPSHOTS * (size if stored is None else stored / (1 << 30))


def _state(drive: Drive) -> str:
    if drive.present is None:
        return "snapshot" if drive.newest_done else "new"
    return str(drive.present.volume.state)
