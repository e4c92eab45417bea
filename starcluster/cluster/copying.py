"""A copy of a volume in another zone, by way of a snapshot; the source is never changed.

A copy holds what was on the volume when the command ran: what a killed run has left (found by the tag MAKING with the
copy's key) is taken away, not used. The order of the last steps leaves no moment at which a kill could orphan anything:
the snapshot goes first, and only then is the volume handed out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from starcluster import exception
from starcluster.aws import shapes
from starcluster.cluster import growing, record
from starcluster.cluster.cluster import Clusters
from starcluster.cluster.snapshotting import CALL, check_volume, take_snapshot, wait_stored
from starcluster.cluster.volumehosts import HostWish, cleaning, plan_host, take_back
from starcluster.cluster.volumes import (
    MAKING,
    VolumeWish,
    check_name,
    check_zone,
    create_volume,
    delete_volume,
    hand_out,
    make_volume,
)
from starcluster.logger import log
from starcluster.model import Snapshot, Volume, VolumeShape

_OWN = "@sc-"


@dataclass(frozen=True, kw_only=True)
class CopyWish:
    """What copyvolume was asked for; 0, "" and None take the source's."""

    source: str
    zone: str
    host: HostWish
    name: str = ""
    size: int = 0
    kind: str = ""
    iops: int | None = None
    throughput: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    encrypted: bool = False
    kms_key: str = ""
    keep_snapshot: bool = False


def copy_volume(clusters: Clusters, wish: CopyWish) -> Volume:
    """The copy, free and whole. On any failure nothing is left of it; after a kill the next run clears up."""
    source = clusters.ec2.volumes.get(wish.source)
    shape = check_copy(clusters, wish, source)
    key = copy_key("copy", source.id, wish.zone, wish.name)
    if shape.size > source.size:
        plan_host(clusters, wish.host, wish.zone)  # what it refuses is better known now than after the snapshot
    old = _leftovers(clusters, key)
    with _snapshot(clusters, source, key) as snapshot:
        _clear(clusters, old, key)
        volume = make_volume(
            clusters,
            VolumeWish(
                shape=shape,
                zone=wish.zone,
                host=wish.host,
                name=wish.name,
                tags={**_users_tags(source), **wish.tags},
                filesystem="",
                snapshot_id=snapshot.id,
                key=key,
            ),
        )
    _end_snapshot(clusters, snapshot, source, keep=wish.keep_snapshot)
    return hand_out(clusters.ec2, volume)


def check_copy(clusters: Clusters, wish: CopyWish, source: Volume) -> VolumeShape:
    """Refuse what can be known to fail; the shape of the copy."""
    check_volume(source)
    check_zone(clusters.ec2, wish.zone)
    check_name(clusters.ec2, wish.name, copy_key("copy", source.id, wish.zone, wish.name))
    size = wish.size or source.size
    if size < source.size:
        raise exception.UserMustAct(
            f"{source.id} has {source.size} GB, which do not fit into {size} GB",
            hint="a copy has at least the size of its source; for less, copy the files to a smaller new volume",
        )
    asked = growing.GrowWish(
        volume=source.id, size=size, host=wish.host, kind=wish.kind, iops=wish.iops, throughput=wish.throughput
    )
    shape = replace(
        growing.target_shape(source, asked), encrypted=wish.encrypted or source.encrypted, kms_key=wish.kms_key
    )
    shapes.check(shape)
    return shape


@dataclass(frozen=True, kw_only=True)
class RestoreWish:
    """What restorevolume was asked for; size 0 is the snapshot's."""

    snapshot: str
    zone: str
    host: HostWish
    name: str = ""
    size: int = 0
    kind: str = shapes.DEFAULT
    iops: int | None = None
    throughput: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    encrypted: bool = False
    kms_key: str = ""


def restore_volume(clusters: Clusters, wish: RestoreWish) -> Volume:
    """A volume with what the snapshot holds. A run that was killed is taken up by the next one with the same words."""
    snapshot = clusters.ec2.snapshots.get(wish.snapshot)
    shape = VolumeShape(
        size=wish.size or snapshot.size,
        kind=wish.kind,
        iops=wish.iops,
        throughput=wish.throughput,
        encrypted=wish.encrypted,
        kms_key=wish.kms_key,
    )
    made = VolumeWish(
        shape=shape,
        zone=wish.zone,
        host=wish.host,
        name=wish.name,
        tags={**_users_tags(snapshot), **wish.tags},
        filesystem="",
        snapshot_id=snapshot.id,
        key=copy_key("restore", snapshot.id, wish.zone, wish.name),
    )
    return create_volume(clusters, made)


def copy_key(verb: str, source: str, zone: str, name: str) -> str:
    """What tells one copy from another: the same words give the same key, on any machine."""
    return hashlib.sha256("/".join((verb, source, zone, name)).encode()).hexdigest()[:32]


def _users_tags(thing: Volume | Snapshot) -> dict[str, str]:
    """The user's own tags: a name belongs to one thing, and ours tell of the source."""
    return {key: value for key, value in thing.tags.items() if not key.startswith(_OWN) and key != record.NAME}


# -- the snapshot in between, and what killed runs have left


@contextmanager
def _snapshot(clusters: Clusters, source: Volume, key: str) -> Iterator[Snapshot]:
    """A snapshot of now that is removed again if the copy fails."""
    about = f"copy of {source.name or source.id}"
    try:
        yield wait_stored(clusters, take_snapshot(clusters, source, description=about, tags={MAKING: key}))
    except BaseException:
        with cleaning("starcluster listsnapshots, removesnapshot"):
            # by the tag: the call that made it may have been interrupted
            for one in _leftovers(clusters, key):
                clusters.ec2.snapshots.delete(one.id)
        raise


def _leftovers(clusters: Clusters, key: str) -> list[Snapshot]:
    return clusters.ec2.snapshots.find(filters={f"tag:{MAKING}": key})


def _clear(clusters: Clusters, old: list[Snapshot], key: str) -> None:
    """Take away what killed runs of this copy have left: it holds what the volume held then."""
    for volume in clusters.ec2.volumes.find(filters={f"tag:{MAKING}": key}):
        log.info("%s is half a copy that an earlier run has left", volume.id)
        delete_volume(clusters, take_back(clusters, volume))
    for snapshot in old:
        log.info("Removing snapshot %s, which an earlier run has left", snapshot.id)
        clusters.ec2.snapshots.delete(snapshot.id)


def _end_snapshot(clusters: Clusters, snapshot: Snapshot, source: Volume, *, keep: bool) -> None:
    if keep:
        clusters.ec2.instances.untag([snapshot.id], [MAKING, CALL])
        log.info("Snapshot %s of %s is kept", snapshot.id, source.id)
        return
    log.info("Removing snapshot %s", snapshot.id)
    clusters.ec2.snapshots.delete(snapshot.id)
