"""Volumes that grow, or change their kind and speed, while they are in use; and the file systems on them."""

from __future__ import annotations

from dataclasses import dataclass

from starcluster import exception
from starcluster.aws import shapes
from starcluster.cluster import waiting
from starcluster.cluster.cluster import Clusters
from starcluster.cluster.volumehosts import HostWish, disk_on, holding_node, host, plan_host, take_back, tell_helpers
from starcluster.cluster.volumes import fill
from starcluster.logger import log
from starcluster.model import Modification, ModificationState, Volume, VolumeShape, VolumeState


@dataclass(frozen=True, kw_only=True)
class GrowWish:
    """What resizevolume was asked for; None and "" stay as they are. `command` replaces resize2fs."""

    volume: str
    size: int
    host: HostWish
    kind: str = ""
    iops: int | None = None
    throughput: int | None = None
    command: str = ""


def resize_volume(clusters: Clusters, wish: GrowWish) -> Volume:
    """The volume in its new shape, its file system filling it. May be repeated: it goes on where it stopped."""
    ec2 = clusters.ec2
    volume = ec2.volumes.get(wish.volume)
    check_growth(volume, wish)
    volume = take_back(clusters, volume)
    node = holding_node(clusters, volume)
    plan = plan_host(clusters, wish.host, volume.zone) if volume.holder is None else None
    if _differs(volume, wish):
        _modify(clusters, volume, wish)
    else:
        log.info("%s has that size and speed already; its file system is looked at", volume.id)
        _wait_if_at_work(clusters, volume.id)
    if node is not None:
        log.info("Growing the file system of %s on %s", volume.id, node.alias)
        holder = volume.holder
        fill(node, node.find_volume_device(volume.id, holder.device if holder else ""), wish.command)
    elif plan is not None:
        tell_helpers(ec2)
        with host(clusters, plan, volume.id) as helper, disk_on(clusters, helper, volume.id) as disk:
            fill(helper, disk, wish.command)
    else:
        _tell_by_hand(volume)
    return ec2.volumes.get(volume.id)


def check_growth(volume: Volume, wish: GrowWish) -> None:
    """Refuse what EC2 would refuse, before anything is done."""
    if volume.state not in (VolumeState.AVAILABLE, VolumeState.IN_USE):
        raise exception.ConflictError(f"volume {volume.id} is {volume.state}", hint="wait until it is available")
    if wish.size < volume.size:
        raise exception.UserMustAct(
            f"{volume.id} has {volume.size} GB and EBS volumes never become smaller, so {wish.size} GB can not be had",
            hint="make a smaller one (starcluster createvolume) and copy the files",
        )
    shapes.check(target_shape(volume, wish))


def target_shape(volume: Volume, wish: GrowWish) -> VolumeShape:
    """What the volume will be: speeds are kept where its kind stays, and belong to EC2 where it changes."""
    kind = wish.kind or volume.kind
    choosable = shapes.KINDS.get(kind)
    stays = kind == volume.kind and choosable is not None
    iops = volume.iops if stays and choosable and choosable.iops else None
    throughput = volume.throughput if stays and choosable and choosable.throughput else None
    return VolumeShape(size=wish.size, kind=kind, iops=wish.iops or iops, throughput=wish.throughput or throughput)


def _differs(volume: Volume, wish: GrowWish) -> bool:
    target = target_shape(volume, wish)
    asked = (wish.size, target.kind, wish.iops or volume.iops, wish.throughput or volume.throughput)
    return asked != (volume.size, volume.kind, volume.iops, volume.throughput)


def _modify(clusters: Clusters, volume: Volume, wish: GrowWish) -> None:
    """Ask EC2, and wait until the disk has its new size; what EC2 does afterwards is told, not waited for."""
    log.info("Changing %s from %s to %s", volume.id, _words(_shape_of(volume)), _words(target_shape(volume, wish)))
    try:
        clusters.ec2.volumes.modify(
            volume.id,
            size=wish.size if wish.size != volume.size else 0,
            kind=wish.kind if wish.kind != volume.kind else "",
            iops=wish.iops,
            throughput=wish.throughput,
        )
    except exception.TransientError as error:
        # the answer was lost: the volume itself tells whether the question was heard
        if not _is_under_way(clusters.ec2.volumes.modification(volume.id), wish):
            raise
        log.debug("%s", error)
    change = wait_modified(clusters, volume.id)
    if change.state is ModificationState.OPTIMIZING:
        log.info("EC2 still optimizes %s: it can be used meanwhile, but not changed again", volume.id)


def _is_under_way(change: Modification | None, wish: GrowWish) -> bool:
    return change is not None and change.size == wish.size and change.state is not ModificationState.FAILED


def _wait_if_at_work(clusters: Clusters, volume_id: str) -> None:
    change = clusters.ec2.volumes.modification(volume_id)
    if change is not None and change.state is ModificationState.MODIFYING:
        wait_modified(clusters, volume_id)


def wait_modified(clusters: Clusters, volume_id: str) -> Modification:
    """Until the disk has its new size."""
    change = waiting.wait_modified(clusters.ec2, volume_id, clock=clusters.clock)
    if change.state is ModificationState.FAILED:
        raise exception.ConflictError(
            f"EC2 could not change {volume_id}: {change.message or 'it tells no reason'}",
            hint="the volume is as it was; try again, or make another one of it: starcluster copyvolume",
        )
    return change


def _shape_of(volume: Volume) -> VolumeShape:
    return VolumeShape(size=volume.size, kind=volume.kind, iops=volume.iops, throughput=volume.throughput)


def _words(shape: VolumeShape) -> str:
    more = [f"{shape.iops} IOPS" if shape.iops else "", f"{shape.throughput} MiB/s" if shape.throughput else ""]
    return ", ".join([f"{shape.size} GB {shape.kind}", *(one for one in more if one)])


def _tell_by_hand(volume: Volume) -> None:
    """It hangs on a machine that we do not reach: the disk has grown, the file system has not."""
    holder = volume.holder
    log.warning(
        "%s is held by %s, which can not be reached from here: its file system is as it was",
        volume.id,
        holder.instance_id if holder else "nobody",
    )
    log.warning("there, let it grow: `sudo resize2fs DEVICE` (ext4) or `sudo xfs_growfs MOUNTPOINT` (xfs)")
