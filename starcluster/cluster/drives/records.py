"""The records of drives and their entries: launch templates, of which only the tags count."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from starcluster import exception, names
from starcluster.cluster.drives.drive import (
    DRIVE,
    USED,
    Drive,
    Entry,
    Record,
    entry_tags,
    is_entry,
    read_drive,
    read_entry,
    read_record,
    record_tags,
)
from starcluster.logger import log
from starcluster.model import LaunchTemplate, Snapshot, Volume

_TEMPLATE_DATA = {"InstanceInitiatedShutdownBehavior": "terminate"}  # EC2 refuses an empty template


class TemplateDoor(Protocol):
    def tagged(self, key: str, value: str = "*") -> list[LaunchTemplate]: ...
    def create(self, name: str, tags: Mapping[str, str], data: Mapping[str, Any]) -> LaunchTemplate: ...
    def tag(self, template_id: str, tags: Mapping[str, str]) -> None: ...
    def delete(self, template_id: str) -> None: ...


class VolumeDoor(Protocol):
    def find(
        self,
        *,
        ids: Sequence[str] = (),
        names: Sequence[str] = (),
        filters: Mapping[str, str | Iterable[str]] | None = None,
    ) -> list[Volume]: ...


class SnapshotDoor(Protocol):
    def find(
        self,
        *,
        ids: Sequence[str] = (),
        names: Sequence[str] = (),
        volume_ids: Sequence[str] = (),
        filters: Mapping[str, str | Iterable[str]] | None = None,
    ) -> list[Snapshot]: ...


class DriveRecords:
    """Reads drives whole (three calls, however many there are), and adds to their chains."""

    def __init__(self, templates: TemplateDoor, volumes: VolumeDoor, snapshots: SnapshotDoor) -> None:
        self._templates, self._volumes, self._snapshots = templates, volumes, snapshots

    def all(self) -> list[Drive]:
        """Every drive of the region, by name; one whose record can not be read is said and left out."""
        found, broken = self._read(self._templates.tagged(DRIVE))
        for name in sorted(broken):
            log.warning("drive %s: %s", name, broken[name].explain())
        return [found[name] for name in sorted(found)]

    def some(self, wanted: Collection[str]) -> tuple[dict[str, Drive], dict[str, exception.RecordError]]:
        """Those of these drives that there are, by name, and why others can not be read. Always three calls."""
        return self._read([one for one in self._templates.tagged(DRIVE) if one.tags[DRIVE] in wanted])

    def exists(self, name: str) -> bool:
        """Whether there is a drive of that name, by one call."""
        return any(not is_entry(one) for one in self._templates.tagged(DRIVE, name))

    def _read(self, found: Sequence[LaunchTemplate]) -> tuple[dict[str, Drive], dict[str, exception.RecordError]]:
        """The drives that these templates are of, each by itself."""
        volumes = self._volumes.find(filters={"tag-key": DRIVE})
        snapshots = self._snapshots.find(filters={"tag-key": DRIVE})
        drives, broken = dict[str, Drive](), dict[str, exception.RecordError]()
        for one in found:
            if is_entry(one):
                continue
            name = one.tags[DRIVE]
            try:
                drives[name] = read_drive(read_record(one), _entries(name, found), volumes, snapshots)
            except exception.RecordError as error:
                broken[name] = error
        return drives, broken

    def get(self, name: str) -> Drive:
        """The drive as it is now; NotFoundError when there is none of that name."""
        # the templates first: a volume that an entry tells of is then in the list, if EC2's lists are up to date
        found = self._templates.tagged(DRIVE, name)
        records = [read_record(one) for one in found if not is_entry(one)]
        if not records:
            raise exception.NotFoundError(
                f"there is no drive '{name}'",
                hint=f"starcluster drive list shows them; starcluster drive create {name} SIZE makes it",
            )
        wanted = {f"tag:{DRIVE}": name}
        return read_drive(
            records[0], _entries(name, found), self._volumes.find(filters=wanted), self._snapshots.find(filters=wanted)
        )

    def create(self, name: str, *, shape: Mapping[str, object], keep: str) -> Record:
        """A new drive's record; ConflictError when there is a drive of that name."""
        record = Record(name=name, shape=shape, keep=keep)
        tags = {key: value for key, value in record_tags(record).items() if value}
        made = self._templates.create(names.drive_template(name), tags, _TEMPLATE_DATA)
        return replace(record, template_id=made.id)

    def enter(self, name: str, entry: Entry) -> bool:
        """Add an entry to the drive's chain; False when somebody else was first."""
        try:
            self._templates.create(names.drive_template(name, entry.number), entry_tags(name, entry), _TEMPLATE_DATA)
        except exception.ConflictError:
            return False
        return True

    def note_use(self, entry: Entry) -> None:
        """Before the first use of its volume."""
        if not entry.used:
            self._templates.tag(entry.template_id, {USED: "1"})

    def forget(self, drive: Drive) -> None:
        """Delete the chain, newest first, and then the record: what is left after a kill is still known."""
        for template_id in [*(one.template_id for one in drive.entries), drive.record.template_id]:
            self._templates.delete(template_id)


def _entries(name: str, templates: Iterable[LaunchTemplate]) -> list[Entry]:
    return [read_entry(one) for one in templates if is_entry(one) and one.tags[DRIVE] == name]
