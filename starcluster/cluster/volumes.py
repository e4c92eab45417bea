"""A new volume: empty and formatted, or from a snapshot; checked first, handed out when it is whole.

Until then it carries no name, only the tag MAKING. createvolume's volumes are made once for each run. Those of
restorevolume and copyvolume have a `key`, from which the client tokens follow: a run that was killed is taken up by the
next one with the same words.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from starcluster import exception, names
from starcluster.aws import shapes
from starcluster.clock import wait_until
from starcluster.cluster import record, waiting
from starcluster.cluster.cluster import Clusters
from starcluster.cluster.filesystems import KNOWN
from starcluster.cluster.node import Node
from starcluster.cluster.volumehosts import (
    HostPlan,
    HostWish,
    cleaning,
    disk_on,
    host,
    plan_host,
    take_back,
    tell_helpers,
)
from starcluster.logger import log
from starcluster.model import Snapshot, SnapshotState, Volume, VolumeShape, VolumeState

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2

MAKING = "@sc-making"
FILE_SYSTEM = "ext4"
_GONE = (VolumeState.DELETING, VolumeState.DELETED, VolumeState.ERROR)
_TOKENS = 100
_SEEN_LIMIT = 60.0  # EC2 may show a new volume late
_SEEN_PAUSE = 2.0


@dataclass(frozen=True, kw_only=True)
class VolumeWish:
    """What is to be made. `filesystem` "" leaves what the snapshot holds; `key`: see above."""

    shape: VolumeShape
    zone: str
    host: HostWish
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    filesystem: str = FILE_SYSTEM
    mkfs_command: str = ""
    force: bool = False
    snapshot_id: str = ""
    key: str = ""

    @property
    def all_tags(self) -> dict[str, str]:
        return {**({record.NAME: self.name} if self.name else {}), **self.tags}

    @property
    def formats(self) -> bool:
        return bool(self.filesystem or self.mkfs_command)


def create_volume(clusters: Clusters, wish: VolumeWish) -> Volume:
    """The new volume, formatted and free. On any failure, Ctrl-C too, neither volume nor helper is left."""
    volume = make_volume(clusters, wish)
    return hand_out(clusters.ec2, volume)


def make_volume(clusters: Clusters, wish: VolumeWish) -> Volume:
    """As create_volume, but for the tag MAKING, which the caller takes away as the last step."""
    snapshot = check_wish(clusters.ec2, wish)
    grows = snapshot is not None and wish.shape.size > snapshot.size
    plan = plan_host(clusters, wish.host, wish.zone) if wish.formats or grows else None
    _tell_leftovers(clusters.ec2, wish)
    with _new_volume(clusters, wish) as volume:
        if plan is not None:
            _work(clusters, plan, volume, wish)
        else:
            waiting.wait_volume_free(clusters.ec2, volume.id, clock=clusters.clock)
    clusters.ec2.volumes.tag(volume.id, wish.all_tags)
    return volume


def hand_out(ec2: Ec2, volume: Volume) -> Volume:
    """From now on the volume is the user's: no later run takes it for something half made."""
    ec2.instances.untag([volume.id], [MAKING])
    return ec2.volumes.get(volume.id)


# -- what can be known to fail, before anything is made


def check_wish(ec2: Ec2, wish: VolumeWish) -> Snapshot | None:
    """Refuse what can be known to fail; the snapshot that the volume is made from, if any."""
    shapes.check(wish.shape)
    check_zone(ec2, wish.zone)
    check_name(ec2, wish.name, wish.key)
    if wish.formats and not wish.mkfs_command and wish.filesystem not in KNOWN:
        raise exception.UserMustAct(
            f"file systems of kind '{wish.filesystem}' can not be made", hint=f"the kinds are {' and '.join(KNOWN)}"
        )
    snapshot = ec2.snapshots.get(wish.snapshot_id) if wish.snapshot_id else None
    if snapshot is not None:
        check_snapshot(snapshot, wish)
    return snapshot


def check_zone(ec2: Ec2, zone: str) -> None:
    zones = [one.name for one in ec2.network.zones()]
    if zone not in zones:
        raise exception.InvalidZone(
            f"there is no zone '{zone}' in {ec2.region}", hint=f"the zones are: {', '.join(zones)}"
        )


def check_name(ec2: Ec2, name: str, key: str = "") -> None:
    """A config calls volumes by their names, so a name is given once; what `key` was making does not count."""
    found = ec2.volumes.find(names=[name]) if name else []
    same = [one for one in found if one.state not in _GONE and (not key or one.tags.get(MAKING) != key)]
    if same:
        raise exception.ConflictError(
            f"a volume named '{name}' exists: {same[0].id} in {same[0].zone}",
            hint="choose another name, or remove that one: starcluster removevolume",
        )


def check_snapshot(snapshot: Snapshot, wish: VolumeWish) -> None:
    if snapshot.state is SnapshotState.PENDING:
        raise exception.ConflictError(
            f"snapshot {snapshot.id} is not completed yet: {snapshot.progress} %",
            hint=f"wait for it: starcluster listsnapshots {snapshot.id} shows how far it is",
        )
    if snapshot.state is not SnapshotState.COMPLETED:
        raise exception.ConflictError(
            f"snapshot {snapshot.id} is of no use ({snapshot.state}): {snapshot.message or 'EC2 tells no reason'}",
            hint="take another one: starcluster listsnapshots shows them",
        )
    if wish.shape.size < snapshot.size:
        raise exception.UserMustAct(
            f"snapshot {snapshot.id} has {snapshot.size} GB, which do not fit into {wish.shape.size} GB",
            hint=f"ask for {snapshot.size} GB or more; for less, copy the files to a smaller new volume",
        )


def _tell_leftovers(ec2: Ec2, wish: VolumeWish) -> None:
    """A run that was killed could not clean up: say what it left, it may also be at work still."""
    for volume in ec2.volumes.find(filters={"tag-key": MAKING, "availability-zone": wish.zone}):
        if not wish.key or volume.tags.get(MAKING) != wish.key:
            log.warning("%s was left by a command that did not end, or is being made now", volume.id)
            log.warning("If nothing works on it: starcluster removevolume %s", volume.id)
    tell_helpers(ec2)


# -- the volume


@contextmanager
def _new_volume(clusters: Clusters, wish: VolumeWish) -> Iterator[Volume]:
    """A volume that is deleted again unless all goes well."""
    log.info("Creating %dGB volume in zone %s", wish.shape.size, wish.zone)
    create = partial(_keyed, clusters, wish) if wish.key else partial(_ask, clusters.ec2, wish, f"sc-{uuid.uuid4()}")
    made: Volume | None = None
    refused = False
    try:
        try:
            made = create()
        except exception.AWSError as error:
            refused = not isinstance(error, exception.TransientError)
            raise
        log.info("New volume id: %s", made.id)
        yield made
    except BaseException:
        if not refused:
            with cleaning(f"starcluster removevolume {made.id if made else ''}"):
                # a call that was interrupted may have made it: with its token, asking again tells which
                delete_volume(clusters, made or create())
        raise


def _ask(ec2: Ec2, wish: VolumeWish, token: str) -> Volume:
    shape = wish.shape
    return ec2.volumes.create(
        shape.size,
        wish.zone,
        kind=shape.kind,
        snapshot_id=wish.snapshot_id,
        iops=shape.iops,
        throughput=shape.throughput,
        encrypted=shape.encrypted,
        kms_key=shape.kms_key,
        tags={record.SCHEMA: str(record.CURRENT_SCHEMA), MAKING: wish.key or wish.name or "unnamed"},
        token=token,
    )


def _keyed(clusters: Clusters, wish: VolumeWish) -> Volume:
    """The volume that a killed run with the same words has begun, else a new one."""
    for number in range(_TOKENS):
        owner = f"{wish.key}/{wish.snapshot_id}"
        token = names.launch_token(owner=owner, alias=wish.zone, generation=0, attempt=number)
        try:
            made = _ask(clusters.ec2, wish, token)
        except (exception.TokenSpent, exception.VolumeDoesNotExist):
            continue  # of another shape, or deleted since
        seen = wait_until(
            partial(clusters.ec2.volumes.find, ids=[made.id]),
            limit=_SEEN_LIMIT,
            pause=_SEEN_PAUSE,
            clock=clusters.clock,
        )
        # without MAKING it was handed out: the same is asked for once more
        if seen and seen[0].state not in _GONE and seen[0].tags.get(MAKING) == wish.key:
            return take_back(clusters, seen[0])
    raise exception.ConflictError(
        f"{_TOKENS} volumes were made of {wish.snapshot_id} in {wish.zone} with these words",
        hint="give the new one another --name",
    )


def delete_volume(clusters: Clusters, volume: Volume) -> None:
    """Delete it as soon as nothing holds it."""
    log.info("Removing volume %s", volume.id)
    waiting.wait_volume_free(clusters.ec2, volume.id, clock=clusters.clock)
    clusters.ec2.volumes.delete(volume.id)


def _work(clusters: Clusters, plan: HostPlan, volume: Volume, wish: VolumeWish) -> None:
    """Format it, or let what the snapshot held fill it."""
    with host(clusters, plan, volume.id) as node, disk_on(clusters, node, volume.id) as disk:
        if wish.formats:
            log.info("Formatting volume with command: %s", wish.mkfs_command or f"mkfs.{wish.filesystem}")
            node.make_filesystem(disk, wish.filesystem or FILE_SYSTEM, wish.mkfs_command, force=wish.force)
        else:
            fill(node, disk)


def fill(node: Node, disk: str, command: str = "") -> None:
    """Let the partition, if there is one, and its file system take the whole disk."""
    try:
        device = node.choose_partition(disk)
    except exception.InvalidOperation as error:
        log.warning("%s: which one shall grow? They are left as they are: grow them with their own tools", error)
        return
    node.grow_partition(device)
    kind = node.grow_filesystem(device, command)
    if kind in ("ext2", "ext3", "ext4", "xfs") or command:
        log.info("The file system (%s) fills the volume now", kind or "unknown")
    else:
        log.warning("%s holds %s, which is left as it is: grow it with its own tools", disk, kind or "no file system")
