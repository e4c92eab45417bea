"""The nodes of the cloud: how they start and how they end.

A node's directory `nodes/ID/` holds root.img (its root disk), disk/ (where that is mounted, in the cloud's namespace
only), root/ (the mount point of its /), console.txt, node.json (what a later agent must know) and metadata.json.
"""

import contextlib
import dataclasses
import logging
import os
import shutil
import signal
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from starcluster.localcloud.hosts import mounts, network, room, syscalls, watch
from starcluster.localcloud.hosts.disks import Disks
from starcluster.localcloud.hosts.events import Events
from starcluster.localcloud.hosts.files import GIB, make_sparse, read_json, sparse_copy
from starcluster.localcloud.hosts.held import HolderClient
from starcluster.localcloud.hosts.image import Image
from starcluster.localcloud.hosts.loops import Loop
from starcluster.localcloud.hosts.mounts import Mount
from starcluster.localcloud.hosts.node import Node, volume_disk
from starcluster.localcloud.hosts.plan import HELPER_SOCKET, Disk, Plan
from starcluster.localcloud.hosts.spec import HostsError, NodeSpec
from starcluster.localcloud.places import Places

log = logging.getLogger("nodes")

ROOT_DEVICE = "/dev/nvme0n1"
_MKFS = (
    *("mkfs.ext4", "-q", "-F", "-m", "0", "-J", "size=16", "-i", "65536"),
    *("-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", "-L", "cloudimg-rootfs"),
)
_KILL_LIMIT = 20.0  # a killed node is gone in milliseconds; a hung kernel is not to hang us
_REASONS = {0: "poweroff", 11: "poweroff", 10: "reboot"}  # exit statuses of pid 1, see sshd.serve


class Nodes:
    """All nodes, by instance id."""

    def __init__(self, places: Places, holder: HolderClient, disks: Disks, image: Image, events: Events) -> None:
        self._places = places
        self._holder = holder
        self._disks = disks
        self._image = image
        self.events = events
        self._watch = watch.Watch()
        self._all: dict[str, Node] = {}
        self._lock = threading.Lock()
        self.on_end: list[Callable[[Node], None]] = []
        self.unshare: Callable[[Node, str], None] = lambda node, device: None

    def __iter__(self) -> Iterator[Node]:
        return iter(list(self._all.values()))

    def get(self, instance_id: str) -> Node:
        """HostsError when there is no such node."""
        node = self._all.get(instance_id)
        if node is None:
            raise HostsError(f"there is no node {instance_id}")
        return node

    def living(self) -> list[Node]:
        """The nodes that run."""
        return [node for node in self if node.pid is not None]

    def by_address(self, address: str) -> Node | None:
        """The running node that has this private or public address."""
        for node in self.living():
            if address in (node.spec.private_ip, node.spec.public_ip):
                return node
        return None

    def private_address(self, address: str) -> str | None:
        """That of the running node that has this private or public one."""
        node = self.by_address(address)
        return node.spec.private_ip if node else None

    # starting

    def boot(self, spec: NodeSpec) -> None:
        """Start a node, with the disk it had if there is one."""
        with self._lock:
            node = self._all.get(spec.instance_id)
            if node is None:
                node = Node(spec, self._places.nodes / spec.instance_id)
                self._all[spec.instance_id] = node
        with node.lock:
            if node.pid is not None:
                raise HostsError(f"node {node.id} is running already")
            node.spec = spec
            self._start(node)

    def _start(self, node: Node) -> None:
        try:
            self._make_disk(node)
            self._fork(node)
        except (OSError, HostsError, subprocess.CalledProcessError) as error:
            self._bury(node)
            raise HostsError(f"node {node.id} could not be started: {_reason(error)}") from error
        self._watch_end(node)
        node.save()

    def _make_disk(self, node: Node) -> None:
        room.demand(self._places.folder)
        for path in (node.directory, node.disk, node.directory / "root"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not node.image.exists():
            self._make_root(node)
        else:
            _repair(node.image)
        loop = self._disks.open(node.image)
        # without "discard": ext4 discards what a transaction has freed even when the sudden death of the file system
        # aborts that transaction, and directories full of zeros would come back
        syscalls.mount(self._disks.path(loop), node.disk, "ext4")

    def _make_root(self, node: Node) -> None:
        """A fresh root disk: empty, or as that of the node that its image was made of."""
        fresh = node.directory / ".root.img"
        fresh.unlink(missing_ok=True)
        if node.spec.root_snapshot:
            source = self.snapshot_image(node.spec.root_snapshot)
            if not source.exists():
                raise HostsError(f"there is no snapshot {node.spec.root_snapshot}")
            room.demand(self._places.folder, room.allocated(source))
            sparse_copy(source, fresh)
            _grow(fresh, node.spec.root_gib * GIB)
        else:
            make_sparse(fresh, node.spec.root_gib * GIB)
            subprocess.run([*_MKFS, str(fresh)], check=True, capture_output=True)
        fresh.rename(node.image)

    def _fork(self, node: Node) -> None:
        node.boot_id, node.ending = str(uuid.uuid4()), False
        plan = self._plan(node)
        go_read, go_write = os.pipe2(os.O_CLOEXEC)
        ready_read, ready_write = os.pipe2(os.O_CLOEXEC)
        console = os.open(node.console, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            node.pid = self._holder.boot(plan, go=go_read, ready=ready_write, console=console)
            node.pidfd, node.ready_fd = os.pidfd_open(node.pid), ready_read
            # somebody must keep the reading end, or the node could not tell when this agent has died
            self._holder.keep(f"ready:{node.id}", ready_read)
            network.plug_in(node.pid, node.spec.mac)
            node.boots += 1
            os.write(go_write, b"g")
        finally:
            for fd in (go_read, go_write, ready_write, console):
                os.close(fd)

    def _plan(self, node: Node) -> dict[str, Any]:
        spec = node.spec
        plan = Plan(
            instance_id=node.id,
            folder=str(self._places.folder),
            root=str(node.directory / "root"),
            disk=str(node.disk),
            layers=tuple((layer.name, layer.lower) for layer in self._image.layers),
            python=self._image.python,
            helper_socket=str(self._places.sockets / HELPER_SOCKET),
            gate=str(self._places.gate),
            hostname=spec.hostname,
            address=spec.private_ip,
            gateway=network.GATEWAY,
            boot_id=node.boot_id,
            first_boot=node.boots == 0,
            default_user=spec.default_user,
            authorized_keys=spec.authorized_keys,
            user_data=spec.user_data,
            boot_seconds=spec.boot_seconds,
            disks=tuple(self._disks_of(node)),
            tree=spec.tree,
        )
        return dataclasses.asdict(plan) | {"user_data": spec.user_data.decode("latin-1")}

    def _disks_of(self, node: Node) -> Iterator[Disk]:
        yield Disk(path=ROOT_DEVICE, minor=self._disks.open(node.image).minor)
        for volume_id, index in node.volumes.items():
            loop = self._disks.open(self.volume_image(volume_id))
            yield volume_disk(index, volume_id, loop.minor)

    def volume_image(self, volume_id: str) -> Path:
        """Where a volume lies."""
        return self._places.volumes / f"{volume_id}.img"

    def snapshot_image(self, snapshot_id: str) -> Path:
        """Where a snapshot lies."""
        return self._places.snapshots / f"{snapshot_id}.img"

    # ending

    def _watch_end(self, node: Node) -> None:
        boot_id = node.boot_id
        self._watch.add(node.pidfd, lambda: self._ended(node, boot_id))

    def _ended(self, node: Node, boot_id: str) -> None:
        """A node's pid 1 is gone and nobody here had asked for it."""
        with node.lock:
            if node.pid is None or node.boot_id != boot_id:
                return
            self.note_end(node, self._exit_status(node))

    def _exit_status(self, node: Node) -> int | None:
        try:
            return self._holder.nodes().get(node.id, (0, None))[1]
        except HostsError:  # the holder is dead, and with it the node
            return None

    def note_end(self, node: Node, status: int | None) -> None:
        """Clear up after a node that ended by itself, tell, and start it again if it asked to be rebooted."""
        how = _REASONS.get(-1 if status is None else status, "died")
        log.info("node %s has ended by itself: %s (status %s)", node.id, how, status)
        with self._kept_for_clients(node) as file_systems:
            for fd in file_systems:
                self._disks.shut(fd, flush=True)
        self._bury(node)
        if how == "reboot":
            try:
                self._start(node)
            except HostsError:
                log.exception("node %s did not come back from its reboot", node.id)
                how = "died"
        self.events.add(node.id, how)

    def shutdown(self, node: Node, *, timeout: float) -> None:
        """Stop a node in order; returns when it is gone and its volumes are free."""
        with node.lock:
            if node.pid is None:
                return
            node.ending = True
            with self._kept_for_clients(node) as file_systems:
                watch.send(node.pidfd, signal.SIGTERM)
                if not watch.wait_exit(node.pidfd, timeout):
                    self._kill(node)
                for fd in file_systems:
                    self._disks.shut(fd, flush=True)
            self._bury(node)

    @contextlib.contextmanager
    def _kept_for_clients(self, node: Node) -> Iterator[list[int]]:
        """The file systems that would live on in NFS clients: they have to be shut when the node has stopped."""
        with contextlib.ExitStack() as stack:
            held: list[int] = []
            for loop, mount in self._mounted(node) if node.shares else []:
                try:
                    held.append(stack.enter_context(self._disks.file_system(loop, mount)))
                except OSError as error:
                    log.warning("the file system on %s cannot be held: %s", loop.image.name, error)
            yield held

    def crash(self, node: Node) -> None:
        """Sudden death: no packet, no instruction, no write after this moment."""
        with node.lock:
            if node.pid is None:
                return
            node.ending = True
            network.cut(node.pid)
            watch.signal_all(node.pid, signal.SIGSTOP)
            for loop, mount in self._mounted(node):
                self._disks.kill(loop, mount)
            self._kill(node)
            self._bury(node)

    def freeze(self, node: Node, *, thaw: bool) -> None:
        """Hang the node as a kernel does that finds no way on, or let it go on."""
        with node.lock:
            if node.pid is None:
                raise HostsError(f"node {node.id} is not running")
            watch.signal_all(node.pid, signal.SIGCONT if thaw else signal.SIGSTOP)

    def mount_of(self, loop: Loop) -> Mount | None:
        """Where a disk is mounted: here, in a node, or as an NFS clone in another."""
        pids = [os.getpid(), *(node.pid for node in self.living() if node.pid is not None)]
        every = (mount for pid in pids for mount in mounts.mounts_of(pid))
        return next((mount for mount in every if mount.device == loop.device), None)

    def _mounted(self, node: Node) -> list[tuple[Loop, Mount]]:
        """Every disk of the node that is mounted anywhere, and one such mount."""
        images = [node.image, *(self.volume_image(one) for one in node.volumes)]
        found = [loop for image in images if (loop := self._disks.get(image)) is not None]
        return [(loop, mount) for loop in found if (mount := self.mount_of(loop))]

    def _kill(self, node: Node) -> None:
        watch.send(node.pidfd, signal.SIGKILL)
        if not watch.wait_exit(node.pidfd, _KILL_LIMIT):
            raise HostsError(f"node {node.id} does not die")

    def _bury(self, node: Node) -> None:
        """Take away what a dead (or half-born) node has left: its cable, its mounts, its devices."""
        for call in self.on_end:
            call(node)
        if node.pid is not None:
            watch.send(node.pidfd, signal.SIGKILL)
            watch.wait_exit(node.pidfd, _KILL_LIMIT)
            network.unplug(node.pid)
            self._watch.remove(node.pidfd)
            os.close(node.pidfd)
            os.close(node.ready_fd)
            self._drop_kept(f"ready:{node.id}")
        node.pid, node.shares = None, []
        with contextlib.suppress(OSError):
            syscalls.umount(node.disk, syscalls.MNT_DETACH)
        for image in (node.image, *(self.volume_image(one) for one in node.volumes)):
            self._disks.release(image)
        if node.directory.is_dir():
            self._note(node)

    def _note(self, node: Node) -> None:
        """Save what can be saved: a full disk must not keep a dead node from being buried."""
        try:
            node.save()
        except OSError as error:
            log.error("the record of node %s cannot be written: %s", node.id, error)

    def _drop_kept(self, name: str) -> None:
        with contextlib.suppress(HostsError):  # a dead holder keeps nothing
            self._holder.drop(name)

    def reboot(self, node: Node, *, timeout: float) -> None:
        """Stop in order, start again."""
        with node.lock:
            if node.pid is None:
                raise HostsError(f"node {node.id} is not running")
            self.shutdown(node, timeout=timeout)
            self._start(node)

    def forget(self, instance_id: str) -> None:
        """Delete what a dead node has on disk."""
        node = self._all.get(instance_id)
        if node is None:
            return
        with node.lock:
            if node.pid is not None:
                raise HostsError(f"node {instance_id} is running, its disk is in use")
            shutil.rmtree(node.directory, ignore_errors=True)
            self._all.pop(instance_id, None)

    # a new agent

    def adopt(self) -> None:
        """Take over the nodes of an earlier agent; those that have ended meanwhile are noted as events."""
        known = self._holder.nodes()
        for path in sorted(self._places.nodes.glob("*/node.json")):
            record = read_json(path)
            node = Node.loaded(path.parent, record)
            self._all[node.id] = node
            pid, status = known.get(node.id, (0, None))
            if record["pid"] is None:
                continue
            if pid == record["pid"] and status is None:
                self._adopt_running(node, pid)
            else:
                self.note_end(node, status if pid == record["pid"] else None)

    def _adopt_running(self, node: Node, pid: int) -> None:
        ready = self._holder.take(f"ready:{node.id}")
        node.pid, node.pidfd = pid, os.pidfd_open(pid)
        node.ready_fd = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC) if ready is None else ready
        self._watch_end(node)


def _repair(image: Path) -> None:
    """Replay the journal of a root disk, and mend what a boot would mend; after an orderly end there is nothing."""
    done = subprocess.run(["e2fsck", "-p", str(image)], capture_output=True, text=True, check=False)
    if done.returncode > 1:
        raise OSError(f"the root disk is broken: {done.stdout.strip()} {done.stderr.strip()}")


def _grow(image: Path, size: int) -> None:
    """Mend a copied root disk, and give it the size, which is never less than it has, as a boot on EC2 does."""
    _repair(image)
    if image.stat().st_size < size:
        os.truncate(image, size)
        subprocess.run(["e2fsck", "-f", "-p", str(image)], capture_output=True, check=False)
        subprocess.run(["resize2fs", str(image)], check=True, capture_output=True)


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        text = error.stderr.decode(errors="replace") if isinstance(error.stderr, bytes) else str(error.stderr or "")
        return f"{error.cmd[0]}: {text.strip() or error}"
    return str(error)
