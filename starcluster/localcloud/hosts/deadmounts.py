"""Mounts whose server is gone: every use of them is an error (ENOTCONN), until they are unmounted or replaced.

Each is a FUSE file system whose server has hung up. A kernel's NFS client would let a hard mount's users wait instead.
"""

import logging
import os
from collections.abc import Collection
from pathlib import Path

from starcluster.localcloud.hosts import syscalls
from starcluster.localcloud.hosts.mounts import inside, mounts_of
from starcluster.localcloud.hosts.node import Node

log = logging.getLogger("nfs")

_KIND = "fuse"


def _source(server: Node, place: str) -> str:
    return f"{server.spec.hostname}:{place}"


def put(client: Node, devices: set[str], server: Node, fuse_device: Path, spared: Collection[str] = ()) -> set[str]:
    """Put dead mounts in the place of the client's mounts of these devices, but for those spared; where that was."""
    if client.pid is None:
        return set()
    places = [mount.place for mount in mounts_of(client.pid) if mount.device in devices and mount.place not in spared]
    dead = {place: os.open(fuse_device, os.O_RDWR | os.O_CLOEXEC) for place in places}

    def put_all() -> None:
        for place in reversed(places):
            syscalls.umount(place, syscalls.MNT_DETACH)
        for place, fd in dead.items():
            _mount(place, _source(server, place), fd)

    try:
        inside(client.pid, put_all)
    except OSError as error:
        log.warning("mounts of %s in %s could not be ended: %s", server.id, client.id, error)
    finally:
        for fd in dead.values():
            os.close(fd)
    return set(dead)


def _mount(place: str, source: str, fd: int) -> None:
    """A FUSE mount whose server hangs up at once: from then on every use is an error, and umount works."""
    data = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other"
    syscalls.mount(source, place, _KIND, syscalls.MS_NOSUID | syscalls.MS_NODEV, data)


def is_at(client: Node, place: str, server: Node) -> bool:
    """Whether what the client sees there is a dead mount of this server."""
    if client.pid is None:
        return False
    there = [mount for mount in mounts_of(client.pid) if mount.place == place]
    return bool(there) and (there[-1].fstype, there[-1].source) == (_KIND, _source(server, place))


def replace(client: Node, place: str, tree: int) -> None:
    """Put a living mount in the place of a dead one; OSError when the client is gone."""
    if client.pid is None:
        raise ProcessLookupError(client.id)

    def act() -> None:
        syscalls.umount(place, syscalls.MNT_DETACH)
        syscalls.move_mount(tree, place)

    inside(client.pid, act)
