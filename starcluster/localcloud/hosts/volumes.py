"""Volumes and snapshots: sparse image files, shown in nodes as NVMe disks."""

import contextlib
import errno
import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from starcluster.localcloud.hosts import loops, mounts, room, syscalls
from starcluster.localcloud.hosts.disks import Disks
from starcluster.localcloud.hosts.files import GIB, make_sparse, sparse_copy
from starcluster.localcloud.hosts.loops import Loop
from starcluster.localcloud.hosts.mounts import Mount
from starcluster.localcloud.hosts.node import Node, volume_disk, volume_path
from starcluster.localcloud.hosts.nodes import Nodes
from starcluster.localcloud.hosts.plan import hide_disk, show_disk
from starcluster.localcloud.hosts.spec import HostsError
from starcluster.localcloud.places import Places


class Volumes:
    """All volumes of the cloud. A volume is shown in at most one node."""

    def __init__(self, places: Places, disks: Disks, nodes: Nodes) -> None:
        self._places = places
        self._disks = disks
        self._nodes = nodes
        self._lock = threading.RLock()

    def _image(self, volume_id: str) -> Path:
        image = self._nodes.volume_image(volume_id)
        if not image.exists():
            raise HostsError(f"there is no volume {volume_id}")
        return image

    def create(self, volume_id: str, *, size_gib: int, snapshot_id: str | None) -> None:
        """Make a volume; one from a snapshot is a full copy of its data."""
        image = self._nodes.volume_image(volume_id)
        if image.exists():
            raise HostsError(f"there is a volume {volume_id} already")
        with _disk_errors(f"volume {volume_id} cannot be made"):
            if snapshot_id is None:
                room.demand(self._places.folder)
                make_sparse(image, size_gib * GIB)
                return
            source = self._nodes.snapshot_image(snapshot_id)
            if not source.exists():
                raise HostsError(f"there is no snapshot {snapshot_id}")
            room.demand(self._places.folder, room.allocated(source))
            sparse_copy(source, image)
            os.truncate(image, max(image.stat().st_size, size_gib * GIB))

    def resize(self, volume_id: str, *, size_gib: int) -> None:
        """Let a volume grow; a node that has it sees the new size at once."""
        image = self._image(volume_id)
        if size_gib * GIB < image.stat().st_size:
            raise HostsError(f"volume {volume_id} cannot shrink")
        with self._lock, _disk_errors(f"volume {volume_id} cannot grow"):
            os.truncate(image, size_gib * GIB)
            loop = self._disks.get(image)
            if loop is not None:
                loops.grow(loop)

    def delete(self, volume_id: str) -> None:
        """Delete a volume; idempotent."""
        holder = self._holder_of(volume_id)
        if holder is not None and holder.pid is not None:
            raise HostsError(f"volume {volume_id} is attached to {holder.id}")
        self._nodes.volume_image(volume_id).unlink(missing_ok=True)

    def _holder_of(self, volume_id: str) -> Node | None:
        return next((node for node in self._nodes if volume_id in node.volumes), None)

    # in nodes

    def attach(self, node: Node, volume_id: str, *, device: str) -> str:
        """Show a volume in a node; a stopped node shows it when it starts. Returns the path in the node.

        `device` is what EC2 was told (/dev/sdf); as on EC2's Nitro types the node sees an NVMe disk all the same.
        """
        with node.lock, self._lock:
            image = self._image(volume_id)
            self._take_from_others(node, volume_id)
            if volume_id in node.volumes:
                return volume_path(node.volumes[volume_id])
            index = self._free_index()
            if node.pid is not None:
                self._show(node, volume_id, index, image)
            node.volumes[volume_id] = index
            node.save()
            return volume_path(index)

    def _free_index(self) -> int:
        """The first number that no disk of the cloud has.

        A share is mounted under its disk's name, on the clients too, where EC2's nodes see SERVER:/PATH: a disk of the
        client's own with that name would be taken for the share.
        """
        used = {index for node in self._nodes for index in node.volumes.values()}
        return next(number for number in itertools.count(1) if number not in used)

    def _take_from_others(self, node: Node, volume_id: str) -> None:
        other = self._holder_of(volume_id)
        if other is None or other is node:
            return
        if other.pid is not None:
            raise HostsError(f"volume {volume_id} is attached to {other.id}")
        del other.volumes[volume_id]
        other.save()

    def _show(self, node: Node, volume_id: str, index: int, image: Path) -> None:
        with _disk_errors(f"volume {volume_id} cannot be attached to {node.id}"):
            loop = self._disks.open(image)
            disk = volume_disk(index, volume_id, loop.minor)
            mounts.inside(_pid(node), lambda: show_disk(Path("/"), disk))

    def detach(self, node: Node, volume_id: str, *, force: bool) -> bool:
        """Take a volume away. False while the node has it mounted, unless forced: then unsynced data are lost."""
        with node.lock, self._lock:
            if volume_id not in node.volumes:
                return True
            image = self._nodes.volume_image(volume_id)
            loop = self._disks.get(image)
            if node.pid is not None and loop is not None:
                if not force and self._mounted(node, loop):
                    return False
                self._hide(node, volume_id, loop)
            self._disks.release(image)
            del node.volumes[volume_id]
            node.save()
            return True

    def _mounted(self, node: Node, loop: Loop) -> list[Mount]:
        return [mount for mount in mounts.mounts_of(_pid(node)) if mount.device == loop.device]

    def _hide(self, node: Node, volume_id: str, loop: Loop) -> None:
        mounted = self._mounted(node, loop)
        anywhere = self._nodes.mount_of(loop)
        if mounted:
            self._disks.kill(loop, mounted[0])
        elif anywhere is not None:  # in NFS clients only, of a directory that the node itself has unmounted
            with self._disks.file_system(loop, anywhere) as fd:
                self._disks.shut(fd, flush=True)
        self._nodes.unshare(node, loop.device)
        disk = volume_disk(node.volumes[volume_id], volume_id, loop.minor)

        def hide() -> None:
            for mount in reversed(mounted):
                syscalls.umount(mount.place, syscalls.MNT_DETACH)
            hide_disk(Path("/"), disk)

        mounts.inside(_pid(node), hide)

    # snapshots

    def snapshot(self, volume_id: str, snapshot_id: str) -> None:
        """Copy a volume as it is at one moment; a mounted file system is held still meanwhile."""
        image = self._image(volume_id)
        with _disk_errors(f"snapshot {snapshot_id} cannot be made"), self._still(image):
            room.demand(self._places.folder, room.allocated(image))
            sparse_copy(image, self._nodes.snapshot_image(snapshot_id))

    def snapshot_root(self, node: Node, snapshot_id: str) -> None:
        """Copy a node's root disk as it is at one moment; the node goes on, and waits only to write."""
        with node.lock, _disk_errors(f"snapshot {snapshot_id} cannot be made"), self._still(node.image):
            room.demand(self._places.folder, room.allocated(node.image))
            sparse_copy(node.image, self._nodes.snapshot_image(snapshot_id))

    @contextlib.contextmanager
    def _still(self, image: Path) -> Iterator[None]:
        loop = self._disks.get(image)
        mount = self._nodes.mount_of(loop) if loop is not None else None
        if loop is not None and mount is not None and mount.writable:
            with self._disks.file_system(loop, mount) as fd, loops.frozen(fd):
                yield
            return
        if loop is not None:
            os.fsync(loop.fd)
        yield

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot; idempotent."""
        self._nodes.snapshot_image(snapshot_id).unlink(missing_ok=True)


def _pid(node: Node) -> int:
    if node.pid is None:
        raise HostsError(f"node {node.id} is not running")
    return node.pid


@contextlib.contextmanager
def _disk_errors(what: str) -> Iterator[None]:
    """Turn an OSError into a HostsError that says what could not be done; a full disk is named as such."""
    try:
        yield
    except OSError as error:
        reason = "the disk of this machine is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise HostsError(f"{what}: {reason}") from error
