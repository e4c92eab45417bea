"""What nodes know as NFS: a directory of one node, mounted in another.

The mount is a clone of the server's (open_tree, move_mount), so both see the same files at once. It must not outlive
its server: when that ends, or no longer exports the path, each clone is replaced by a mount that gives an error for
everything (deadmounts.py). When the same server exports the path again, the mount comes back in its place, as a
kernel's client finds its server again. What was open, and a working directory below it, stay dead: they are of the
file system of the server's last boot. A kernel would have let them wait and then go on.
"""

import dataclasses
import errno
import json
import logging
import os
import socket
import stat
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starcluster.localcloud.hosts import deadmounts, exports, mounts, syscalls, watch
from starcluster.localcloud.hosts.held import HolderClient
from starcluster.localcloud.hosts.mounts import inside, mounts_of
from starcluster.localcloud.hosts.node import Node, Share
from starcluster.localcloud.hosts.nodes import Nodes
from starcluster.localcloud.hosts.spec import HostsError

log = logging.getLogger("nfs")

_TABLE = Path("/run/localcloud/exports")
_HOSTS = Path("/etc/hosts")
_FUSE = (10, 229)
_CREDENTIALS = struct.Struct("3i")


class Nfs:
    """Serves the questions of the nodes' mount.nfs, exportfs and showmount."""

    def __init__(self, nodes: Nodes, scratch: Path) -> None:
        """`scratch` is where device files may be made."""
        self._nodes = nodes
        self._scratch = scratch
        self._fuse = scratch / "fuse"
        if not self._fuse.exists():
            os.mknod(self._fuse, stat.S_IFCHR | 0o600, os.makedev(*_FUSE))
        self._lock = threading.RLock()
        self._operations: dict[str, Callable[..., dict[str, Any]]] = {
            "mount": self._mount,
            "exports_changed": self._exports_changed,
            "list": self._list,
        }

    def serve(self, holder: HolderClient) -> None:
        """Answer on the nodes' helper socket, which the holder keeps."""
        fd = holder.take("helper")
        if fd is None:
            raise HostsError("the holder has no helper socket")
        listener = socket.socket(fileno=fd)
        threading.Thread(target=self._accept, args=(listener,), daemon=True, name="nfs").start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True, name="helper").start()

    def _answer(self, connection: socket.socket) -> None:
        """One question of a node. Whoever asks is known by the credentials of the connection, not by its words."""
        with connection:
            connection.settimeout(10)
            try:
                raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
                question = json.loads(connection.makefile("rb").readline(65536) or b"{}")
                reply = self._reply(_CREDENTIALS.unpack(raw), question)
                connection.sendall(json.dumps(reply).encode() + b"\n")
            except (OSError, ValueError) as error:
                log.info("a node's question broke off: %s", error)

    def _reply(self, credentials: tuple[int, int, int], question: dict[str, Any]) -> dict[str, Any]:
        pid, uid, _ = credentials
        operation = self._operations.get(str(question.pop("op", "")))
        asker = self._node_of(pid)
        if asker is None or operation is None:
            return {"error": "not understood"}
        if uid != 0 and operation != self._list:
            return {"error": "only root can do that"}
        try:
            return operation(asker, pid, **question)
        except (HostsError, OSError, TypeError) as error:
            return {"error": str(error)}

    def _node_of(self, pid: int) -> Node | None:
        namespace = watch.pid_namespace(pid)
        for node in self._nodes.living():
            if node.pid is not None and watch.pid_namespace(node.pid) == namespace:
                return node
        return None

    # mounting

    def _mount(
        self, client: Node, pid: int, *, server: str, path: str, target: str, options: str, source: str
    ) -> dict[str, Any]:
        path = os.path.normpath(path)
        with mounts.mount_namespace(pid) as namespace, self._lock:
            node = self._server(server)
            permission = self._permission(node, path, client)
            if permission is None:
                return {"error": f"access denied by server while mounting {source}"}
            tree, device = self._tree(node, path, permission, options)
            try:
                if not _is_mounted(pid, target, device):  # as `mount -a` does, which does not know our mounts
                    mounts.inside_namespace(namespace, lambda: syscalls.move_mount(tree, target))
            finally:
                os.close(tree)
            if node is not client:
                here = Share(
                    client=client.id, boot=client.boot_id, path=path, device=device, place=target, options=options
                )
                _note(node, here)
        return {}

    def _tree(self, server: Node, path: str, permission: exports.Client, options: str) -> tuple[int, str]:
        """A mount of the server's directory, as this client may have it, and its device."""
        tree, device = inside(_pid(server), lambda: _clone(path))
        if permission.read_only or "ro" in options.split(","):
            tree = read_only(tree, self._scratch)
        return tree, device

    def _server(self, address: str) -> Node:
        node = self._nodes.by_address(address)
        if node is None or node.ending:
            raise HostsError("Connection timed out")
        return node

    def _permission(self, server: Node, path: str, client: Node) -> exports.Client | None:
        table, hosts = inside(_pid(server), lambda: (_read(_TABLE), _read(_HOSTS)))
        if table is None:
            raise HostsError("Connection refused")
        address = "127.0.0.1" if server is client else client.spec.private_ip
        names = exports.names_by_address(hosts or "")
        found = exports.parse(table)[0]
        return exports.permitted(found, path, client.spec.private_ip, names) or (
            exports.permitted(found, path, address, names)
        )

    # what is exported

    def _list(self, client: Node, pid: int, *, server: str) -> dict[str, Any]:
        table = inside(_pid(self._server(server)), lambda: _read(_TABLE))
        if table is None:
            return {"error": "Connection refused"}
        found = exports.parse(table)[0]
        return {"exports": [[one.path, [client.pattern for client in one.clients]] for one in found]}

    def _exports_changed(self, server: Node, pid: int) -> dict[str, Any]:
        """Clients lose what is exported no longer, and get back what they had lost and is exported again."""
        table = inside(_pid(server), lambda: _read(_TABLE))
        found, complaints = exports.parse(table or "")
        gone = [share for share in server.shares if not any(one.covers(share.path) for one in found)]
        self._revoke(server, gone)
        self._give_back(server)
        missing = [one.path for one in found if not inside(_pid(server), Path(one.path).is_dir)]
        return {"complaints": complaints + [f"Failed to stat {path}: No such file or directory" for path in missing]}

    # ending

    def bury(self, server: Node) -> None:
        """The node is ending or dead: nothing of it may stay in others."""
        server.ending = True
        self._revoke(server, list(server.shares))

    def unshare(self, server: Node, device: str) -> None:
        """A disk of the node goes away: nothing of that may stay in others."""
        self._revoke(server, [share for share in server.shares if share.device == device])

    def _revoke(self, server: Node, shares: list[Share]) -> None:
        with self._lock:
            for client in self._nodes.living():
                held = [one for one in shares if (one.client, one.boot) == (client.id, client.boot_id)]
                if held and client is not server:
                    others = [one for one in server.shares if one.client == client.id and one not in shares]
                    spared = {one.place for one in others}  # of the same disk, and exported on
                    dead = deadmounts.put(client, {one.device for one in held}, server, self._fuse, spared)
                    server.lost += [one for one in held if one.place in dead]
            server.shares = [share for share in server.shares if share not in shares]

    def _give_back(self, server: Node) -> None:
        """Mounts that were lost with the server's last boot, or with an export, live again where they may."""
        with self._lock:
            waiting = server.lost
            server.lost = [share for share in waiting if not self._is_settled(server, share)]
            if waiting:
                server.save()

    def _is_settled(self, server: Node, share: Share) -> bool:
        """Whether a lost mount is back now, or nobody waits for it any more."""
        client = next((node for node in self._nodes.living() if node.id == share.client), None)
        if client is None or client.pid is None or not deadmounts.is_at(client, share.place, server):
            return True
        try:
            permission = self._permission(server, share.path, client)
            if permission is None:
                return False
            tree, device = self._tree(server, share.path, permission, share.options)
            try:
                deadmounts.replace(client, share.place, tree)
            finally:
                os.close(tree)
        except (HostsError, OSError) as error:
            log.info("%s of %s can not come back in %s yet: %s", share.path, server.id, client.id, error)
            return False
        server.shares.append(dataclasses.replace(share, boot=client.boot_id, device=device))
        return True


def _is_mounted(pid: int, target: str, device: str) -> bool:
    on_top = [mount.device for mount in mounts_of(pid) if mount.place == target]
    return on_top[-1:] == [device]


def _note(server: Node, share: Share) -> None:
    if share not in server.shares:
        server.shares.append(share)
        server.save()


def _pid(node: Node) -> int:
    if node.pid is None:
        raise HostsError("Connection timed out")
    return node.pid


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return None


def _clone(path: str) -> tuple[int, str]:
    """A copy of the mount at `path`, to be put elsewhere, and its device as mountinfo names it."""
    if not os.path.isdir(path):
        raise HostsError("mounting failed, reason given by server: No such file or directory")
    tree = syscalls.open_tree(path)
    status = os.fstat(tree)
    return tree, f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"


def read_only(tree: int, scratch: Path) -> int:
    """The detached mount made read-only; before Linux 5.12 a read-only copy in its place."""
    try:
        syscalls.mount_setattr(tree, syscalls.MOUNT_ATTR_RDONLY)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        return _read_only_copy(tree, scratch / "ro")
    return tree


def _read_only_copy(tree: int, place: Path) -> int:
    """A mount can be changed only where it is attached, so it is for a moment where no node can see it."""
    place.mkdir(exist_ok=True)
    syscalls.move_mount(tree, str(place))
    try:
        kept = os.statvfs(place).f_flag & (syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC)
        syscalls.mount("none", place, None, syscalls.MS_BIND | syscalls.MS_REMOUNT | syscalls.MS_RDONLY | kept)
        copy = syscalls.open_tree(str(place))
    finally:
        syscalls.umount(place, syscalls.MNT_DETACH)
    os.close(tree)
    return copy
