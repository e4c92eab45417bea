"""A drive: a named disk whose present form is a volume in some zone, or its newest snapshot.

All of it stands in tags. Which volume counts is told by a chain of entries, each a launch template of its own
(`sc/drive/NAME/7`): EC2 makes a template of a name once only, so of two drivers that want to go on from entry 6 one
wins, and the other one sees what the winner wanted. What an entry says is never changed. A volume gets a new mark
(`MARK`, never used before) before and after each attachment; a snapshot tells the mark that its volume had, and so it
is known whether anything can have been written since. A mark begins with the number of the entry that its writer went
by.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starcluster import exception
from starcluster.cluster.record import CURRENT_SCHEMA, SCHEMA
from starcluster.model import LaunchTemplate, Snapshot, SnapshotState, Volume, VolumeState

DRIVE = "@sc-drive"
MARK = "@sc-mark"
MARKED_FOR = "@sc-marked-for"
AT_REST = "@sc-at-rest"
PROVEN = "@sc-proven"
MADE_BY = "@sc-made-by"
ENTRY = "@sc-entry"
USED = "@sc-used"
SHAPE = "@sc-shape"
KEEP = "@sc-keep"
_GONE = (VolumeState.DELETING, VolumeState.DELETED)
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """From now on the drive is what this says: a volume to be made in `zone`, or one that there is (`volume_id`).

    `snapshot_id`: what it is made from, "" = empty. `mark`: that of the volume of the entry before this one, when this
    was decided. `loses`: the user knows that writes after the snapshot are not in it. `used`: its volume was attached,
    or about to be; that is written down afterwards, for the time when the volume is gone.
    """

    number: int
    at: datetime
    zone: str = ""
    snapshot_id: str = ""
    volume_id: str = ""
    mark: str = ""
    loses: bool = False
    used: bool = False
    template_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Form:
    """One volume of the drive.

    `made_by`: the entry's template. `mark`: of its last use, "" = it was never used; `marked_for`: the instance at
    which that use is, "" = it was about to be attached.
    """

    volume: Volume
    made_by: str = ""
    mark: str = ""
    marked_for: str = ""
    proven: bool = False

    @property
    def id(self) -> str:
        return self.volume.id

    def was_used_under(self, entry: Entry) -> bool:
        """Whether it was, or was about to be, attached by somebody who knew of this entry."""
        return marked_number(self.mark) >= entry.number


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One snapshot of the drive. `at_rest`: nobody had the volume, so that all of that use is in it."""

    snapshot: Snapshot
    mark: str
    at_rest: bool

    @property
    def id(self) -> str:
        return self.snapshot.id

    @property
    def started(self) -> datetime:
        return self.snapshot.started or _NEVER

    @property
    def is_done(self) -> bool:
        return self.snapshot.state is SnapshotState.COMPLETED

    def has_all_of(self, form: Form) -> bool:
        """Nothing that was written to the volume is missing in it."""
        return self.at_rest and self.snapshot.volume_id == form.id and self.mark == form.mark


@dataclass(frozen=True, kw_only=True)
class Record:
    """What never changes of itself: size (GiB), kind and the like of its volumes, and which snapshots to keep."""

    name: str
    template_id: str = ""
    shape: Mapping[str, object] = field(default_factory=dict)
    keep: str = ""


@dataclass(frozen=True, kw_only=True)
class Drive:
    """All that EC2 knows of one drive: entries and shots newest first."""

    record: Record
    entries: tuple[Entry, ...] = ()
    forms: tuple[Form, ...] = ()
    shots: tuple[Shot, ...] = ()

    @property
    def top(self) -> Entry | None:
        """The entry that counts."""
        return self.entries[0] if self.entries else None

    @property
    def present(self) -> Form | None:
        """The volume that counts, if it is there."""
        return self.made(self.top) if self.top else None

    def form(self, volume_id: str) -> Form | None:
        return next((one for one in self.forms if one.id == volume_id), None)

    def before(self, entry: Entry) -> Entry | None:
        return next((one for one in self.entries if one.number == entry.number - 1), None)

    def made(self, entry: Entry) -> Form | None:
        """The volume that the entry made, or chose."""
        if entry.volume_id:
            return self.form(entry.volume_id)
        return next((one for one in self.forms if one.made_by == entry.template_id), None)

    def shot(self, snapshot_id: str) -> Shot | None:
        return next((one for one in self.shots if one.id == snapshot_id), None)

    @property
    def lineage(self) -> list[Shot]:
        """The snapshots of what the drive is now and was before, newest first; none of what it has turned away from."""
        found: list[Shot] = []
        entry, until = self.top, None
        while entry is not None:
            mine = [one for one in self.shots if marked_number(one.mark) == entry.number]
            found += [one for one in mine if until is None or one.id == until.id or one.started < until.started]
            entry, until = self._came_from(entry, until)
        return found

    def _came_from(self, entry: Entry, until: Shot | None) -> tuple[Entry | None, Shot | None]:
        """The entry that this one goes on from, and the snapshot up to which it does."""
        older = [one for one in self.entries if one.number < entry.number]
        if entry.volume_id:
            return next((one for one in older if (made := self.made(one)) and made.id == entry.volume_id), None), until
        shot = self.shot(entry.snapshot_id)
        number = marked_number(shot.mark) if shot else 0
        return next((one for one in older if one.number == number), None), shot

    @property
    def newest_done(self) -> Shot | None:
        return next((one for one in self.lineage if one.is_done), None)


def marked_number(mark: str) -> int:
    """The entry that whoever wrote the mark went by; 0 = there is no mark."""
    number = mark.partition(":")[0]
    return int(number) if number.isdigit() else 0


def _number(tags: Mapping[str, str], key: str) -> int:
    text = tags.get(key, "")
    return int(text) if text.isdigit() else 0


def form_of(volume: Volume) -> Form:
    tags = volume.tags
    return Form(
        volume=volume,
        made_by=tags.get(MADE_BY, ""),
        mark=tags.get(MARK, ""),
        marked_for=tags.get(MARKED_FOR, ""),
        proven=bool(tags.get(PROVEN)),
    )


def shot_of(snapshot: Snapshot) -> Shot:
    return Shot(snapshot=snapshot, mark=snapshot.tags.get(MARK, ""), at_rest=bool(snapshot.tags.get(AT_REST)))


def read_drive(
    record: Record, entries: Iterable[Entry], volumes: Iterable[Volume], snapshots: Iterable[Snapshot]
) -> Drive:
    """The drive that these are; what is of another one, or is being deleted, does not count."""
    forms = [form_of(one) for one in volumes if one.state not in _GONE and one.tags.get(DRIVE) == record.name]
    shots = [shot_of(one) for one in snapshots if one.tags.get(DRIVE) == record.name]
    return Drive(
        record=record,
        entries=tuple(sorted(entries, key=lambda one: one.number, reverse=True)),
        forms=tuple(sorted(forms, key=lambda one: (one.volume.created or _NEVER, one.id))),
        shots=tuple(sorted(shots, key=lambda one: (one.started, one.id), reverse=True)),
    )


def record_tags(record: Record) -> dict[str, str]:
    return {
        SCHEMA: str(CURRENT_SCHEMA),
        DRIVE: record.name,
        SHAPE: json.dumps(dict(record.shape), separators=(",", ":"), sort_keys=True),
        KEEP: record.keep,
    }


def entry_tags(name: str, entry: Entry) -> dict[str, str]:
    at = round(entry.at.timestamp(), 3)
    words = [at, entry.zone, entry.snapshot_id, entry.volume_id, entry.mark, int(entry.loses)]
    text = json.dumps([entry.number, *words], separators=(",", ":"))
    return {SCHEMA: str(CURRENT_SCHEMA), DRIVE: name, ENTRY: text}


def is_entry(template: LaunchTemplate) -> bool:
    return ENTRY in template.tags


def read_record(template: LaunchTemplate) -> Record:
    """The record that these tags are; RecordError when they can not be read or are of a newer program."""
    tags = template.tags
    _check_schema(template)
    try:
        return Record(
            name=tags[DRIVE],
            template_id=template.id,
            shape=json.loads(tags.get(SHAPE) or "{}"),
            keep=tags.get(KEEP, ""),
        )
    except (KeyError, ValueError) as error:
        raise _unreadable(template, error) from error


def read_entry(template: LaunchTemplate) -> Entry:
    _check_schema(template)
    try:
        number, at, zone, snapshot_id, volume_id, mark, loses = json.loads(template.tags[ENTRY])
        return Entry(
            number=int(number),
            at=datetime.fromtimestamp(at, UTC),
            zone=str(zone),
            snapshot_id=str(snapshot_id),
            volume_id=str(volume_id),
            mark=str(mark),
            loses=bool(loses),
            used=bool(template.tags.get(USED)),
            template_id=template.id,
        )
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise _unreadable(template, error) from error


def _check_schema(template: LaunchTemplate) -> None:
    if _number(template.tags, SCHEMA) > CURRENT_SCHEMA:
        raise exception.RecordError(
            f"{template.name} has schema {template.tags[SCHEMA]}, this program knows {CURRENT_SCHEMA}",
            hint="update starcluster-spot on this machine",
        )


def _unreadable(template: LaunchTemplate, error: Exception) -> exception.RecordError:
    return exception.RecordError(
        f"the record {template.name} can not be read: {error!r}",
        hint=f"look at the tags of the launch template {template.id}",
    )
