"""Volumes that come to a running node and leave it: attachvolume and detachvolume."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.cluster import record, waiting
from starcluster.cluster.cluster import Cluster, Clusters
from starcluster.cluster.record import VolumeRecord
from starcluster.cluster.volumehosts import holding_node, node_of
from starcluster.logger import log
from starcluster.model import AttachmentState, Instance, InstanceState, Volume

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

_HOME = "/home"
_FORBIDDEN = frozenset(
    ("/", "/home", "/root", "/boot", "/dev", "/etc", "/proc", "/sys", "/run", "/usr", "/bin", "/sbin", "/lib", "/var")
)
_HOLDING = (AttachmentState.ATTACHED, AttachmentState.DETACHING, AttachmentState.BUSY)
LOST_WRITES = (
    "what programs there have written and the disk has not got yet is LOST, and the file system may be damaged"
)


@dataclass(frozen=True, kw_only=True)
class AttachWish:
    """`path` "" attaches only; `share` lets all nodes of the cluster mount it from the master, now and later."""

    volume: str
    tag: str
    node: str = ""
    path: str = ""
    share: bool = False


def attach_volume(clusters: Clusters, wish: AttachWish) -> str:
    """Attach, repair, mount, share. May be repeated. Where it is to be found on the node: the path, or the device."""
    cluster = clusters.get(wish.tag)
    node = cluster.get_node(wish.node) if wish.node else cluster.running_master()
    volume = clusters.ec2.volumes.get(wish.volume)
    _check(cluster, node, volume, wish)
    disk = node.find_volume_device(volume.id, node.attach_volume(volume.id))
    if not wish.path:
        log.info("%s is attached to %s as %s, and not mounted", volume.id, node.alias, disk)
        return disk
    path = wish.path.rstrip("/")
    try:
        mount(node, disk, path)
    except exception.BaseException:
        log.warning(
            "%s stays attached to %s: starcluster detachvolume %s takes it away", volume.id, node.alias, volume.id
        )
        raise
    log.info("%s is mounted at %s on %s", volume.id, path, node.alias)
    if wish.share:
        _share(cluster, node, volume, path)
    return path


def _check(cluster: Cluster, node: Node, volume: Volume, wish: AttachWish) -> None:
    """Refuse what can be known to fail."""
    if not node.is_running():
        raise exception.InstanceNotRunning(
            f"{node.alias} ({node.id}) is not running but {node.state}",
            hint=f"starcluster start -x {cluster.tag} starts a stopped cluster",
        )
    if volume.zone != node.placement:
        raise exception.InvalidOperation(
            f"volume {volume.id} is in {volume.zone}, {node.alias} in {node.placement}",
            hint="a volume is used in its own zone;"
            f" copy it there: starcluster copyvolume {wish.volume} {node.placement}",
        )
    if wish.share and not (wish.path and node.is_master()):
        raise exception.UsageError(
            "--share needs --mount PATH, on the master", hint="the master exports it to the other nodes by NFS"
        )
    if wish.path:
        check_path(wish.path)


def check_path(path: str) -> None:
    """UsageError for a path at which nothing should be mounted."""
    bare = path.rstrip("/") or "/"
    if not path.startswith("/") or any(char.isspace() for char in path) or ".." in path.split("/"):
        raise exception.UsageError(
            f"'{path}' is not an absolute path without blanks", hint="for example: --mount /data"
        )
    if bare in _FORBIDDEN:
        raise exception.UsageError(
            f"the volume would hide what the node has in {bare}",
            hint="take a path of its own, such as /data; /home is set in the config (VOLUMES, before the start)",
        )


def mount(node: Node, disk: str, path: str) -> None:
    """Repair and mount the file system on a disk; a disk that is mounted there already is left alone."""
    device = node.choose_partition(disk)
    if path in node.mount_points_of(device):
        log.info("It is mounted at %s already", path)
        return
    kind = node.filesystem(device)
    if not kind:
        raise exception.InvalidOperation(
            f"the volume holds no file system ({device} on {node.alias} is empty)",
            hint=f"format it: starcluster sshnode CLUSTER {node.alias} -- mkfs.ext4 {device};"
            " createvolume makes formatted ones",
        )
    _refuse_hiding(node, path)
    node.check_filesystem(device)
    node.mount_device(device, path)


def _refuse_hiding(node: Node, path: str) -> None:
    target = shlex.quote(path)
    there = node.ssh.script(
        f"if [ -d {target} ]; then ls -A {target} | head -n 3; elif [ -e {target} ]; then echo 'a file'; fi",
        what=f"look into {path}",
    )
    mounted = node.mounted_device(path)
    if mounted or there:
        what = f"{mounted} is mounted" if mounted else f"there are files ({', '.join(there)})"
        raise exception.InvalidOperation(
            f"{what} at {path} on {node.alias}, which the volume would hide", hint="take another path"
        )


def _share(cluster: Cluster, master: Node, volume: Volume, path: str) -> None:
    """Export it to the workers, who mount it; the cluster's record lets later nodes do so too."""
    others = [one for one in cluster.record.volumes if one.volume_id != volume.id]
    taken = [one for one in others if one.mount_path.rstrip("/") == path]
    if taken:
        raise exception.ConflictError(
            f"the cluster's volume {taken[0].name} ({taken[0].volume_id}) is shared at {path} already",
            hint="take another path",
        )
    mine = VolumeRecord(name=volume.name or volume.id, volume_id=volume.id, mount_path=path)
    cluster.save(replace(cluster.record, volumes=(*others, mine)))
    workers = [one for one in cluster.running_nodes if not one.is_master()]
    if workers:
        master.start_nfs_server()
        master.export_fs_to_nodes(workers, [path])
    for worker in workers:
        worker.mount_nfs_shares(master, [path])
    log.info("%s is shared with %d other nodes, and with those to come", path, len(workers))


# -- away


def detach_volume(clusters: Clusters, volume: Volume, *, force: bool = False) -> None:
    """Unmount and detach, and wait until it is free. `force`: whatever is lost by it."""
    holder = volume.holder
    if holder is None:
        return
    if holder.state is AttachmentState.ATTACHING and not force:
        volume = waiting.wait_attached(clusters.ec2, volume.id, holder.instance_id, clock=clusters.clock)
    node = holding_node(clusters, volume, _HOLDING)
    if node is not None:
        _leave(clusters, node, volume, force=force)
    elif holder.state is not AttachmentState.DETACHING:  # who asked for that was stopped, and EC2 goes on with it
        _check_unreachable(clusters, volume, force=force)
    log.info("Detaching %s from %s", volume.id, node.alias if node else holder.instance_id)
    clusters.ec2.volumes.detach(volume.id, instance_id=holder.instance_id, force=force)
    waiting.wait_volume_free(clusters.ec2, volume.id, clock=clusters.clock)


def _leave(clusters: Clusters, node: Node, volume: Volume, *, force: bool) -> None:
    """Unmount it on the node that has it, and before that where it is shared."""
    paths = _paths(node, volume)
    tag = node.tags.get(record.CLUSTER, "")
    if _HOME in paths and not force:
        raise exception.ConflictError(
            f"{volume.id} is /home of cluster {tag}, whose nodes need it",
            code="VolumeInUse",
            hint=f"terminate or stop the cluster first: starcluster terminate {tag}",
        )
    cluster = clusters.get(tag)
    if node.is_master() and paths:
        _unshare(cluster, node, volume, paths, force=force)
    for path in paths:
        log.info("Unmounting %s on %s", path, node.alias)
        unmount(node, path, force=force)


def _paths(node: Node, volume: Volume) -> list[str]:
    """Where the node has it mounted; nowhere if EC2 takes it away already and its disk is gone."""
    holder = volume.holder
    going = holder is not None and holder.state is AttachmentState.DETACHING
    device = holder.device if holder else ""
    wait = {"limit": 0.0} if going else {}
    try:
        return node.mount_points_of(node.find_volume_device(volume.id, device, **wait))
    except exception.WaitTimeout:
        if going:
            return []
        raise


def _unshare(cluster: Cluster, master: Node, volume: Volume, paths: Sequence[str], *, force: bool) -> None:
    shared = [one for one in cluster.record.volumes if one.volume_id == volume.id]
    if not shared:
        return
    workers = [one for one in cluster.running_nodes if not one.is_master()]
    for worker in workers:
        for path in paths:
            unmount(worker, path, force=force)
    master.stop_exporting_fs_to_nodes(workers, paths)
    kept = tuple(one for one in cluster.record.volumes if one.volume_id != volume.id)
    cluster.save(replace(cluster.record, volumes=kept))


def unmount(node: Node, path: str, *, force: bool = False) -> None:
    """Unmount cleanly, or ConflictError with the processes that hold it; `force` ends them."""
    try:
        node.unmount(path, force=force)
    except exception.RemoteCommandFailed as error:
        holders = node.holders_of(path)
        if not holders:
            raise
        lines = "\n".join(f"  {line}" for line in holders)
        raise exception.ConflictError(
            f"{path} on {node.alias} is in use and can not be unmounted; these hold it (PID USER COMMAND):\n{lines}",
            code="VolumeInUse",
            hint="end them, or let them leave that folder, and repeat the command; --force kills them",
        ) from error


def _check_unreachable(clusters: Clusters, volume: Volume, *, force: bool) -> None:
    """Nobody can unmount it from here: only a machine that does not run gives it back without harm."""
    holder = volume.holder
    found = clusters.ec2.instances.find(ids=[holder.instance_id]) if holder else []
    runs = [one for one in found if one.state in (InstanceState.RUNNING, InstanceState.STOPPING)]
    if not runs or force:
        return
    raise exception.ConflictError(
        f"{volume.id} is held by {_who(clusters, runs[0])}, which can not be reached from here to unmount it",
        code="VolumeInUse",
        hint="unmount it there and repeat the command, or stop that instance first; with --force it is taken away"
        f" as it is: {LOST_WRITES}",
    )


def _who(clusters: Clusters, instance: Instance) -> str:
    tag = instance.tags.get(record.CLUSTER, "")
    if node_of(clusters, instance) is None:
        return f"{instance.id} ({instance.alias or 'no name'}), an instance of no cluster of this config"
    return f"{instance.alias} of cluster {tag} ({instance.id})"
