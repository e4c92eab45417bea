"""Decisions about values: what must be uploaded and in which order, what a restore may touch, what may be deleted."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from starcluster.s3sync.model import FILE, LINK, Entry, Manifest

SMALL = 1 << 20  # files up to this size share an object
PACK = 8 << 20
DAY = 86400.0
_WORTH = 0.5  # of a shared object must be in use, else what is in use is uploaded anew


def unit_of(path: str, *, whole: bool) -> str:
    """What a path belongs to: the entry of the folder that is kept whole, or the whole folder ("")."""
    return "" if whole else path.partition("/")[0]


def newest_first(entries: Iterable[Entry], *, whole: bool) -> list[Entry]:
    """Units in the order of their newest files, the newest first, each in one piece."""
    units: dict[str, list[Entry]] = {}
    for one in entries:
        units.setdefault(unit_of(one.path, whole=whole), []).append(one)
    order = sorted(units, key=lambda unit: (-max(one.mtime for one in units[unit]), unit))
    return [one for unit in order for one in units[unit]]


def stored(
    found: Sequence[Entry], known: Mapping[str, Entry], *, repack: bool = True
) -> tuple[dict[str, Entry], list[Entry]]:
    """What of `found` needs no upload, as it lies in the bucket, and the files that need one.

    `known`: entries by path whose content is in the bucket. `repack`: those few that alone hold a shared object
    alive are uploaded anew, so that it can go.
    """
    have = {
        one.path: one.stored_as(known[one.path]) if one.path in known else one
        for one in found
        if one.kind != FILE or one.is_like(known.get(one.path))
    }
    sparse = _sparse(have.values(), known.values()) if repack else set()
    wanted = [one for one in found if one.path not in have or (one.kind == FILE and have[one.path].object in sparse)]
    for one in wanted:
        have.pop(one.path, None)
    return have, wanted


def _sparse(used: Iterable[Entry], known: Iterable[Entry]) -> set[str]:
    """Shared objects of which little is in use any more."""
    before, now = _bytes_in(known), _bytes_in(used)
    return {name for name, size in now.items() if size < before.get(name, 0) * _WORTH and before[name] <= PACK}


def _bytes_in(entries: Iterable[Entry]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in entries:
        if one.object:
            found[one.object] = found.get(one.object, 0) + one.size
    return found


def loads(wanted: Sequence[Entry]) -> list[list[Entry]]:
    """What goes into one object each: a bigger file alone, small ones together, in the order given."""
    found: list[list[Entry]] = []
    pack: list[Entry] = []
    for one in wanted:
        if one.size > SMALL:
            found.append([one])
            continue
        if not pack or sum(each.size for each in pack) + one.size > PACK:
            pack = []
            found.append(pack)
        pack.append(one)
    return found


def snapshot(
    found: Sequence[Entry], have: Mapping[str, Entry], before: Mapping[str, Entry], *, whole: bool
) -> tuple[list[Entry], list[str]]:
    """The entries of a snapshot, and the units of it that are not as they are now.

    A unit of which something could not be uploaded is as it was in the last snapshot, or not in this one.
    """
    missing = {unit_of(one.path, whole=whole) for one in found if one.path not in have}
    late = sorted(missing | {unit_of(one.path, whole=whole) for one in found if _leads_to(one, missing)})
    entries = [have[one.path] for one in found if unit_of(one.path, whole=whole) not in late]
    entries += [one for one in before.values() if unit_of(one.path, whole=whole) in late]
    return sorted(entries, key=lambda one: one.path), late


def _leads_to(one: Entry, units: set[str]) -> bool:
    """Whether it is a link to one of the units, as `latest` often is: it must not come without what it leads to."""
    if one.kind != LINK:
        return False
    target = posixpath.normpath(posixpath.join(posixpath.dirname(one.path), one.target))
    return target.partition("/")[0] in units


def same(entries: Sequence[Entry], before: Sequence[Entry]) -> bool:
    """Whether two snapshots hold the same."""
    other = {one.path: one for one in before}
    return len(entries) == len(other) and all(one.is_just(other.get(one.path)) for one in entries)


class Verdict(Enum):
    """What a restore does."""

    NOTHING_THERE = "there is no snapshot"
    IN_STEP = "the folder is as the snapshot"
    RESTORE = "the folder is empty or older than the snapshot"
    NEWER_HERE = "files here are newer than the snapshot"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """`wanted`: entries that a restore brings; `newer`: local paths that are newer than the snapshot."""

    verdict: Verdict
    wanted: tuple[Entry, ...] = ()
    newer: tuple[str, ...] = ()


def judge(found: Sequence[Entry], base: Manifest | None, newest: Manifest | None) -> Judgement:
    """What may be restored over what is there. `base`: the snapshot that the folder was last known to be as."""
    if newest is None:
        return Judgement(verdict=Verdict.NOTHING_THERE)
    local, there = {one.path: one for one in found}, newest.by_path
    old = base.by_path if base else {}
    newer = [
        one.path for one in found if one.kind == FILE and _is_newer(one, old.get(one.path), there.get(one.path), newest)
    ]
    wanted = tuple(one for one in newest.entries if not one.is_like(local.get(one.path)))
    if newer:
        return Judgement(verdict=Verdict.NEWER_HERE, wanted=wanted, newer=tuple(newer))
    untouched = base is not None and base.number >= newest.number  # what lacks was deleted here
    if not wanted or (untouched and found):
        return Judgement(verdict=Verdict.IN_STEP, wanted=wanted)
    return Judgement(verdict=Verdict.RESTORE, wanted=wanted)


def _is_newer(local: Entry, base: Entry | None, there: Entry | None, newest: Manifest) -> bool:
    if local.is_like(there) or local.is_like(base):
        return False
    return local.mtime > (there.mtime if there and there.kind == FILE else int(newest.made * 1e9))


def doomed(numbers: Sequence[int], *, keep: int) -> list[int]:
    """Manifests that may go; the newest never does."""
    return sorted(numbers)[: -max(1, keep)]


def unused(objects: Iterable[tuple[str, float]], needed: set[str], *, now: float) -> list[str]:
    """Objects that no manifest needs. Young ones may belong to a push that has not written its manifest yet."""
    return [name for name, changed in objects if name not in needed and now - changed > DAY]


def merged(entries: Iterable[Entry], *, gap: int = 1 << 16, most: int = PACK) -> list[list[Entry]]:
    """Files of one shared object that are fetched together, because they lie side by side."""
    groups: list[list[Entry]] = []
    for one in sorted(entries, key=lambda each: (each.object, each.offset)):
        last = groups[-1] if groups else []
        near = last and last[-1].object == one.object and one.offset - (last[-1].offset + last[-1].size) <= gap
        if near and one.offset + one.size - last[0].offset <= most:
            last.append(one)
        else:
            groups.append([one])
    return groups
