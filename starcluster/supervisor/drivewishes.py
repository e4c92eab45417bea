"""Drives in train.cfg: `drive = data:/data` under a node, and what the drive is in a section `[drive data]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from starcluster import exception, names
from starcluster.aws import shapes
from starcluster.cluster.drives.retention import DEFAULT, read_keep
from starcluster.cluster.mounting import check_path
from starcluster.model import VolumeShape
from starcluster.supervisor.trainfile import Section

SECTION = "drive"
FILE_SYSTEMS = ("ext4", "xfs")
_MINUTE = 60.0
_KNOWN = (
    "size",
    "type",
    "iops",
    "throughput",
    "filesystem",
    "encrypted",
    "kms_key",
    "keep",
    "snapshot_every",
    "may_lose",
)


@dataclass(frozen=True, kw_only=True)
class DriveWish:
    """A drive that comes up wherever its node comes up, mounted at `path`.

    `shape`: how it is made where there is none of that name (size in GB, kind, iops, throughput, filesystem, encrypted,
    kms_key); empty = there must be one. `snapshot_every`: EC2's seconds, 0 = no snapshots by themselves. `may_lose`: so
    many of EC2's seconds of writes may be left behind for a quicker return; 0 = none.
    """

    name: str
    path: str
    shape: Mapping[str, object] = field(default_factory=dict)
    keep: str = DEFAULT
    snapshot_every: float = 60 * _MINUTE
    may_lose: float = 0.0


def read_drives(node: Section, sections: Mapping[str, Mapping[str, str]]) -> tuple[DriveWish, ...]:
    """The drives of a node's section, `NAME:/path` each; raises ConfigSettingError."""
    found = tuple(_read_one(node, word, sections) for word in node.words(SECTION, ""))
    for kind, used in (("drive", [one.name for one in found]), ("path", [one.path for one in found])):
        twice = next((one for one in used if used.count(one) > 1), None)
        if twice:
            raise node.wrong(SECTION, f"the {kind} {twice} is given twice")
    return found


def _read_one(node: Section, word: str, sections: Mapping[str, Mapping[str, str]]) -> DriveWish:
    name, colon, path = (part.strip() for part in word.partition(":"))
    if not colon or not name:
        raise node.wrong(SECTION, f"'{word}' is not NAME:/path", hint="for example: drive = data:/data")
    try:
        names.check_alias(name)
        check_path(path)
    except exception.BaseException as error:
        raise node.wrong(SECTION, error.msg, hint="for example: drive = data:/data") from error
    by_name = {names.fold(key.split(None, 1)[1].strip()): key for key in sections if key.split()[:1] == [SECTION]}
    key = by_name.get(names.fold(name))
    if key is None:
        return DriveWish(name=name, path=path.rstrip("/"))
    return _of_section(Section(file=node.file, name=key, values=sections[key]), name, path.rstrip("/"))


def _of_section(section: Section, name: str, path: str) -> DriveWish:
    section.warn_of_unknown(_KNOWN)
    shape = _shape(section)
    keep = section.text("keep", DEFAULT)
    try:
        read_keep(keep)
        if shape:
            shapes.check(_volume_shape(shape))
    except (exception.UsageError, exception.UserMustAct) as error:
        setting = "keep" if isinstance(error, exception.UsageError) else "size"
        raise section.wrong(setting, error.msg, hint=error.hint) from error
    return DriveWish(
        name=name,
        path=path,
        shape=shape,
        keep=keep,
        snapshot_every=section.number("snapshot_every", 60) * _MINUTE,
        may_lose=section.number("may_lose", 0) * _MINUTE,
    )


def _shape(section: Section) -> dict[str, object]:
    """As `drive create` writes it down; {} where no size is given."""
    told = {
        "size": int(section.number("size", 0)),
        "kind": section.text("type", "").lower(),
        "iops": int(section.number("iops", 0)),
        "throughput": int(section.number("throughput", 0)),
        "filesystem": section.choice("filesystem", FILE_SYSTEMS[0], FILE_SYSTEMS),
        "encrypted": section.choice("encrypted", "no", ("yes", "no", "true", "false")) in ("yes", "true"),
        "kms_key": section.text("kms_key", ""),
    }
    return {key: value for key, value in told.items() if value} if told["size"] else {}


def _volume_shape(shape: Mapping[str, object]) -> VolumeShape:
    kept = {key: value for key, value in shape.items() if key in ("size", "kind", "iops", "throughput")}
    return VolumeShape(**{"kind": shapes.DEFAULT, **kept})  # type: ignore[arg-type]
