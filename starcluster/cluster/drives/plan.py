"""What to do next so that a drive comes up on an instance: decided from values alone, one step at a time.

Data first: nothing here lets a volume with something on it go, and what may lose writes says so. What keeps a drive
from having two writers: EC2 attaches a volume to one instance only, and whoever has attached one looks again before
mounting (`may_mount`). With the attachment the volume gets a new mark; before a drive goes elsewhere that is written
down. So of one who attaches and one who goes on from the same volume at least one sees the other, and an entry
that was decided without knowing of a use is void as long as nothing has come of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from starcluster.cluster.drives.drive import Drive, Entry, Form, Shot
from starcluster.model import InstanceState, SnapshotState, VolumeState

LAG = timedelta(minutes=5)
TAKES = 3  # of one state of a volume, while EC2 fails to store its snapshots


@dataclass(frozen=True, kw_only=True)
class Step:
    because: str


@dataclass(frozen=True, kw_only=True)
class Use(Step):
    """The volume is at the instance: mount it."""

    form: Form


@dataclass(frozen=True, kw_only=True)
class Attach(Step):
    form: Form


@dataclass(frozen=True, kw_only=True)
class Mark(Step):
    """It is at the instance, and the use has not been marked: whoever attached it was stopped."""

    form: Form


@dataclass(frozen=True, kw_only=True)
class Enter(Step):
    """Write down what the drive is from now on; whoever is first decides."""

    entry: Entry


@dataclass(frozen=True, kw_only=True)
class Make(Step):
    """Make the volume that the entry tells of; asked again EC2 gives the same one."""

    entry: Entry


@dataclass(frozen=True, kw_only=True)
class TakeSnapshot(Step):
    """Of a volume that nobody has: all that was ever written is in it."""

    form: Form


@dataclass(frozen=True, kw_only=True)
class Wait(Step):
    pass


@dataclass(frozen=True, kw_only=True)
class Refuse(Step):
    """Only the user can put this right."""

    hint: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the drive is wanted; by id, of the instances that have volumes of it, `holders`: states, `names`: words.

    `lossy`: the user prefers an older snapshot to waiting for the writes after it.
    """

    instance_id: str
    zone: str
    now: datetime
    holders: Mapping[str, InstanceState] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    lossy: bool = False

    def who(self, instance_id: str) -> str:
        return self.names.get(instance_id, instance_id)

    def is_alive(self, instance_id: str) -> bool:
        state = self.holders.get(instance_id)
        return state is not None and state.is_in_cluster


def next_step(drive: Drive, place: Place) -> Step:
    """The one thing to do now; do it, look again."""
    top = drive.top
    if top is None:
        return _enter(drive, place, zone=place.zone, because="the drive has never been used")
    if _is_void(drive, top, place):
        return _take_back(drive, top, place)
    form = drive.made(top)
    if form is None:
        return _without_volume(drive, top, place)
    strange = _in_use_beside(drive, form, place)
    if strange:
        return strange
    if not form.mark and form.volume.holder is None and form.volume.zone != place.zone:
        return _same_again(drive, top, place, f"{form.id} was made for {form.volume.zone} and never used")
    return _from_volume(drive, form, place)


def may_mount(drive: Drive, place: Place, form: Form) -> bool:
    """Asked of what is seen after the attachment, before anything is mounted: nobody went on elsewhere meanwhile."""
    step = next_step(drive, place)
    return isinstance(step, Use) and step.form.id == form.id


def going_back(drive: Drive, place: Place, shot: Shot) -> Enter:
    """On purpose, to an older state: what was written since is on the volume that counted so far."""
    return _enter(drive, place, because="the user wants it", zone=place.zone, shot=shot, loses=True)


def is_blank(drive: Drive, form: Form) -> bool:
    """Whether no file system was ever mounted from it, nor from any volume that its contents came from."""
    if form.proven:
        return False
    if not form.volume.snapshot_id:
        return True
    shot = drive.shot(form.volume.snapshot_id)
    source = drive.form(shot.snapshot.volume_id) if shot else None
    return source is not None and is_blank(drive, source)


def has_gone_back(drive: Drive, zone: str, shot: Shot) -> bool:
    """Whether the drive has been sent back to it last of all, and nobody has used what came of that."""
    top, present = drive.top, drive.present
    if top is None or not top.loses or top.used or (present is not None and present.mark):
        return False
    return (top.zone, top.snapshot_id) == (zone, shot.id)


def removable(drive: Drive, now: datetime) -> list[Form]:
    """Volumes that do not count any more, and whose every write is known to be in the one that does.

    In the order in which to delete them: what tells of another one how it descends goes after that.
    """
    present = drive.present
    if present is None:
        return []
    free = [one for one in drive.forms if one.id != present.id and one.volume.holder is None]
    known = [one for one in free if one.mark and present.proven and _is_ancestor(drive, one, present)]
    unused = [one for one in free if not one.mark and one.volume.created and now - one.volume.created > LAG]
    rest = _without(drive, known)
    return known + [one for one in unused if not _is_link(rest, one, present)]


def _without(drive: Drive, gone: Iterable[Form]) -> Drive:
    ids = {one.id for one in gone}
    return replace(drive, forms=tuple(one for one in drive.forms if one.id not in ids))


def _is_link(drive: Drive, form: Form, present: Form) -> bool:
    """Whether without it a volume that was in use could not be told from a fork any more."""
    after = _without(drive, [form])
    ancestors = [one for one in after.forms if one.mark and _is_ancestor(drive, one, present)]
    return not all(_is_ancestor(after, one, present) for one in ancestors)


def forks(drive: Drive) -> list[Form]:
    """Volumes that do not count and may hold writes which the one that does lacks: kept, and told."""
    present, used = drive.present, [one for one in drive.forms if one.mark]
    return [one for one in used if not present or (one.id != present.id and not _is_ancestor(drive, one, present))]


def needed_snapshots(drive: Drive) -> set[str]:
    """The newest, those that a volume is being made from, and what tells how a volume that is there descends."""
    newest = drive.newest_done
    needed = {one.snapshot_id for one in drive.entries if one.snapshot_id and _is_needed(drive, one)}
    return needed | ({newest.id} if newest else set())


def _is_needed(drive: Drive, entry: Entry) -> bool:
    before = drive.before(entry)
    return (entry is drive.top and not drive.present) or bool(before and drive.made(before))


def _is_ancestor(drive: Drive, form: Form, present: Form) -> bool:
    """Whether all that was written to it went on into the present volume, over as many steps as it took."""
    reached = {form.id}
    for entry in reversed(drive.entries):
        before, made = drive.before(entry), drive.made(entry)
        source = drive.made(before) if before else None
        if made is None or source is None or source.id not in reached or entry.volume_id:
            continue
        shot = drive.shot(entry.snapshot_id)
        if not source.mark or (shot and shot.has_all_of(source)):
            reached.add(made.id)
    return present.id in reached


# --- entries


def _enter(
    drive: Drive,
    place: Place,
    *,
    because: str,
    zone: str = "",
    shot: Shot | None = None,
    volume_id: str = "",
    loses: bool = False,
) -> Enter:
    present = drive.present
    entry = Entry(
        number=(drive.top.number if drive.top else 0) + 1,
        at=place.now,
        zone=zone,
        snapshot_id=shot.id if shot else "",
        volume_id=volume_id,
        mark=present.mark if present else "",
        loses=loses,
    )
    return Enter(because=because, entry=entry)


def _is_void(drive: Drive, entry: Entry, place: Place) -> bool:
    """Decided without knowing of a use of the volume before it, and nothing has come of it."""
    before, made = drive.before(entry), drive.made(entry)
    if before is None or (made is not None and made.was_used_under(entry)):
        return False
    source = drive.made(before)
    if source is None:
        return False
    if entry.loses:
        return source.volume.holder is not None and place.is_alive(source.volume.holder.instance_id)
    if source.mark != entry.mark:
        return True
    # what was never used is no ground either, but for an entry that takes another volume back because of that
    return not entry.volume_id and not source.was_used_under(before) and _is_void(drive, before, place)


def _take_back(drive: Drive, entry: Entry, place: Place) -> Step:
    """Go on from the last volume that was in use."""
    before = drive.before(entry)
    while before and _is_void(drive, before, place):
        before = drive.before(before)
    form = drive.made(before) if before else None
    if form is None:
        return _from_snapshots(drive, place)
    why = f"{form.id} was used after it was decided to go on from its snapshot"
    return _enter(drive, place, because=why, volume_id=form.id)


def _same_again(drive: Drive, top: Entry, place: Place, because: str) -> Step:
    """What the top entry wanted, here; what it made, if anything, was never used."""
    if _lacks_source(drive, top):
        return _from_snapshots(drive, place)
    return _enter(drive, place, because=because, zone=place.zone, shot=drive.shot(top.snapshot_id), loses=top.loses)


def _lacks_source(drive: Drive, entry: Entry) -> bool:
    """It is to be made from a snapshot that is gone, or not finished."""
    shot = drive.shot(entry.snapshot_id)
    return bool(entry.snapshot_id) and (shot is None or not shot.is_done)


# --- there is no volume


def _without_volume(drive: Drive, top: Entry, place: Place) -> Step:
    young = place.now - top.at < LAG
    if top.volume_id or top.used or not young:
        return _from_snapshots(drive, place)
    if top.zone != place.zone:
        return _same_again(drive, top, place, f"a volume in {top.zone} was wanted and is not any more")
    if _lacks_source(drive, top):
        return _from_snapshots(drive, place)
    return Make(because=f"it goes on from {top.snapshot_id or 'nothing'}", entry=top)


def _from_snapshots(drive: Drive, place: Place) -> Step:
    """The volume is gone, and its newest snapshot is the drive."""
    newest_of_all = next(iter(drive.lineage), None)
    if newest_of_all and newest_of_all.snapshot.state is SnapshotState.PENDING and not place.lossy:
        return Wait(because=f"its newest snapshot {newest_of_all.id} is not finished")
    newest = drive.newest_done
    if newest is not None:
        why = f"its volume is gone, {newest.id} is its newest snapshot"
        return _enter(drive, place, because=why, zone=place.zone, shot=newest, loses=not newest.at_rest)
    if not was_ever_used(drive):
        return _enter(drive, place, because="the drive has never been used", zone=place.zone)
    name = drive.record.name
    others = ", ".join(one.id for one in drive.shots)
    return Refuse(
        because=f"the volume of the drive {name} is gone, and there is no snapshot of it"
        + (f"; these are of states that it had turned away from: {others}" if others else ""),
        hint=f"starcluster drive show {name}; to begin with an empty one: starcluster drive remove {name}, then create",
    )


def was_ever_used(drive: Drive) -> bool:
    """Something may have been written to it."""
    return any(one.used or one.snapshot_id for one in drive.entries) or any(one.mark for one in drive.forms)


# --- there is a volume


def _in_use_beside(drive: Drive, form: Form, place: Place) -> Refuse | None:
    """Another volume of the drive is at a living instance: somebody may write to it."""
    for other in drive.forms:
        holder = other.volume.holder
        if other.id == form.id or holder is None or not place.is_alive(holder.instance_id):
            continue
        return Refuse(
            because=f"{other.id}, an older volume of the drive {drive.record.name},"
            f" is at {place.who(holder.instance_id)}",
            hint=f"one writer at a time: starcluster detachvolume {other.id}",
        )
    return None


def _from_volume(drive: Drive, form: Form, place: Place) -> Step:
    holder = form.volume.holder
    if holder and holder.instance_id == place.instance_id:
        if form.marked_for != place.instance_id:
            return Mark(because=f"{form.id} was attached to {place.instance_id}, and nobody went on", form=form)
        return Use(because=f"{form.id} is at {place.instance_id}", form=form)
    if holder:
        return _held(drive, form, holder.instance_id, place)
    if form.volume.state is VolumeState.ERROR:
        return Refuse(
            because=f"{form.id}, the volume of the drive {drive.record.name}, is in the state error",
            hint=f"starcluster drive restore {drive.record.name} makes it anew from its newest snapshot",
        )
    if form.volume.state is not VolumeState.AVAILABLE:
        return Wait(because=f"{form.id} is {form.volume.state}")
    if form.volume.zone == place.zone:
        return Attach(because=f"{form.id} is free, in the same zone", form=form)
    return _carry(drive, form, place)


def _held(drive: Drive, form: Form, instance_id: str, place: Place) -> Step:
    if place.is_alive(instance_id):
        return Refuse(
            because=f"the drive {drive.record.name} ({form.id}) is in use by {place.who(instance_id)}",
            hint=f"one writer at a time: starcluster drive detach {drive.record.name}, or end that node",
        )
    newest = drive.newest_done
    if place.lossy and newest and form.volume.zone != place.zone:
        return _go_on(drive, form, newest, place, loses=True)
    return Wait(
        because=f"{form.id} is not free yet: {place.who(instance_id)} is {place.holders.get(instance_id, 'gone')}"
    )


def _carry(drive: Drive, form: Form, place: Place) -> Step:
    """The volume is free and in another zone: its whole contents go there by a snapshot."""
    whole = [one for one in drive.shots if one.has_all_of(form)]
    done = [one for one in whole if one.is_done]
    if done:
        return _go_on(drive, form, done[0], place, loses=False)
    newest = drive.newest_done
    if place.lossy and newest:
        return _go_on(drive, form, newest, place, loses=True)
    pending = [one for one in whole if one.snapshot.state is SnapshotState.PENDING]
    if pending:
        done_of_it = f"{pending[0].snapshot.progress} %"
        return Wait(because=f"the snapshot {pending[0].id} of {form.id} is being taken ({done_of_it})")
    failed = [one for one in whole if one.snapshot.state is SnapshotState.ERROR]
    if len(failed) >= TAKES:
        return _refuse_failing(drive, form, failed)
    return TakeSnapshot(because=f"{form.id} is in {form.volume.zone}, wanted in {place.zone}", form=form)


def _refuse_failing(drive: Drive, form: Form, failed: list[Shot]) -> Refuse:
    name, why = drive.record.name, failed[0].snapshot.message
    return Refuse(
        because=f"EC2 could not store {len(failed)} snapshots of {form.id}{f': {why}' if why else ''}",
        hint=f"the drive {name} is whole, and can be used in {form.volume.zone}; later again: starcluster drive prune"
        f" {name} removes what failed, then repeat the command",
    )


def _go_on(drive: Drive, form: Form, shot: Shot, place: Place, *, loses: bool) -> Enter:
    why = f"{form.id} is in {form.volume.zone}; {shot.id} has {'an older state' if loses else 'all'} of it"
    return _enter(drive, place, because=why, zone=place.zone, shot=shot, loses=loses)
