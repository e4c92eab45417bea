"""Snapshots of volumes, taken while the file system stands still where a node of ours has it mounted.

EC2's CreateSnapshot knows no client token. Each of our calls therefore carries a tag of its own, by which a snapshot
whose answer was lost is found again instead of being made twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.cluster import record, waiting
from starcluster.cluster.cluster import Clusters
from starcluster.cluster.volumehosts import holding_node
from starcluster.logger import log
from starcluster.model import Snapshot, SnapshotState, Volume, VolumeState

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

CALL = "@sc-call"
_TRIES = 6
_BETWEEN = 16.0  # EC2 wants 15 seconds between two snapshots of one volume
_AGAIN = 5.0
_TOO_SOON = "SnapshotCreationPerVolumeRateExceeded"
_STEP = 25  # per cent


def take_snapshot(
    clusters: Clusters, volume: Volume, *, description: str = "", tags: Mapping[str, str] | None = None
) -> Snapshot:
    """A snapshot of the volume at this moment, pending; synced and still where it is mounted on a node of ours."""
    check_volume(volume)
    node = holding_node(clusters, volume)
    if node is None and volume.holder is not None:
        log.warning(
            "%s is held by %s, which can not be reached: the snapshot has what was written to the disk by now",
            volume.id,
            volume.holder.instance_id,
        )
    path = _mounted_at(node, volume) if node is not None else ""
    call = str(uuid.uuid4())
    whole = {record.SCHEMA: str(record.CURRENT_SCHEMA), CALL: call, **(tags or {})}
    for _ in range(_TRIES - 1):
        try:
            return _take(clusters, volume, node, path, description, whole)
        except exception.TransientError as error:
            found = clusters.ec2.snapshots.find(volume_ids=[volume.id], filters={f"tag:{CALL}": call})
            if found:
                log.debug("the answer was lost, the snapshot was made: %s", error)
                return found[0]
            _tell_again(clusters, volume, error)
    return _take(clusters, volume, node, path, description, whole)


def _take(
    clusters: Clusters, volume: Volume, node: Node | None, path: str, description: str, tags: Mapping[str, str]
) -> Snapshot:
    log.info("Making a snapshot of %s%s", volume.id, f" ({path} on {node.alias} stands still)" if node and path else "")
    with still(node, path):
        return clusters.ec2.snapshots.create(volume.id, description=description, tags=tags)


def _tell_again(clusters: Clusters, volume: Volume, error: exception.TransientError) -> None:
    if error.code == _TOO_SOON:
        log.info("The last snapshot of %s is seconds old, EC2 wants 15 between two: waiting", volume.id)
    else:
        log.warning("%s; trying again", error)
    clusters.clock.sleep(_BETWEEN if error.code == _TOO_SOON else _AGAIN)


def check_volume(volume: Volume) -> None:
    if volume.state not in (VolumeState.AVAILABLE, VolumeState.IN_USE):
        raise exception.ConflictError(
            f"volume {volume.id} is {volume.state}: no snapshot can be made of it", hint="wait until it is available"
        )


def _mounted_at(node: Node, volume: Volume) -> str:
    """Where the node has it mounted; "" where it has not, and for the system's own disk: SSH needs that one."""
    holder = volume.holder
    disk = node.find_volume_device(volume.id, holder.device if holder else "")
    paths = node.mount_points_of(disk)
    if "/" in paths:
        log.warning(
            "%s holds the system of %s, which can not stand still: the snapshot is as after a power cut",
            volume.id,
            node.alias,
        )
        return ""
    return paths[0] if paths else ""


@contextmanager
def still(node: Node | None, path: str) -> Iterator[None]:
    """Nothing is written at this path meanwhile. The node ends it by itself should we not come back."""
    if node is None or not path:
        yield
        return
    try:
        node.freeze(path)
    except exception.RemoteCommandFailed as error:
        # of a file system that can not stand still EC2 makes a snapshot as after a power cut: its journal mends it
        log.warning("%s on %s can not stand still: %s", path, node.alias, error.output or error)
        yield
        return
    try:
        yield
    finally:
        _thaw(node, path)


def _thaw(node: Node, path: str) -> None:
    try:
        if not node.thaw(path):
            log.warning(
                "%s on %s was let go before EC2 answered: the snapshot is as after a power cut", path, node.alias
            )
    except exception.SSHError as error:
        log.warning("%s was lost; it lets %s go on by itself: %s", node.alias, path, error)


def wait_stored(clusters: Clusters, snapshot: Snapshot) -> Snapshot:
    """Until EC2 has stored it, with progress told."""
    return waiting.wait_snapshot(clusters.ec2, snapshot.id, clock=clusters.clock, tell=_teller())


def _teller() -> Callable[[Snapshot], None]:
    told = -1

    def tell(snapshot: Snapshot) -> None:
        nonlocal told
        step = snapshot.progress // _STEP
        if snapshot.state is SnapshotState.PENDING and step > told:
            told = step
            log.info("Snapshot %s: %d %%", snapshot.id, snapshot.progress)

    return tell
