"""The agent's operations, one method each, as `hosts.client` asks for them; every result is a JSON object."""

import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from starcluster.localcloud.hosts import network, watch
from starcluster.localcloud.hosts.disks import Disks
from starcluster.localcloud.hosts.held import HolderClient
from starcluster.localcloud.hosts.metadata import Metadata
from starcluster.localcloud.hosts.nodes import Nodes
from starcluster.localcloud.hosts.spec import HostsError, NodeSpec
from starcluster.localcloud.hosts.volumes import Volumes
from starcluster.localcloud.hosts.watch import process_lives

log = logging.getLogger("cloud")

VERSION = 1
_REBOOT_LIMIT = 20.0
_HOLDER_LIMIT = 10.0

Answer = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """The parts, and what they do together."""

    owner: int | None
    part: int
    holder: HolderClient
    disks: Disks
    nodes: Nodes
    volumes: Volumes
    metadata: Metadata
    ending: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing left to serve."""
        return self.ended.is_set()

    def do_ping(self) -> Answer:
        living = [node.id for node in self.nodes.living()]
        return {"pid": os.getpid(), "version": VERSION, "owner": self.owner, "part": self.part, "nodes": living}

    def do_boot(self, spec: Answer) -> Answer:
        wanted = NodeSpec.of(spec)
        self.metadata.put(wanted.instance_id, wanted.metadata)
        self.nodes.boot(wanted)
        return {}

    def do_wait_ready(self, instance_id: str, timeout: float) -> Answer:
        node = self.nodes.get(instance_id)
        end = time.monotonic() + timeout
        while not node.is_ready:
            left = end - time.monotonic()
            if left <= 0 or node.pid is None:
                return {"ready": False}
            watch.wait_told_or_exit(node.ready_fd, node.pidfd, left)
        return {"ready": True}

    def do_nodes(self) -> Answer:
        return {"nodes": {node.id: node.state().plain() for node in self.nodes}}

    def do_shutdown(self, instance_id: str, timeout: float) -> Answer:
        self.nodes.shutdown(self.nodes.get(instance_id), timeout=timeout)
        return {}

    def do_crash(self, instance_id: str) -> Answer:
        self.nodes.crash(self.nodes.get(instance_id))
        return {}

    def do_freeze(self, instance_id: str, thaw: bool) -> Answer:
        self.nodes.freeze(self.nodes.get(instance_id), thaw=thaw)
        return {}

    def do_reboot(self, instance_id: str) -> Answer:
        self.nodes.reboot(self.nodes.get(instance_id), timeout=_REBOOT_LIMIT)
        return {}

    def do_forget(self, instance_id: str) -> Answer:
        self.nodes.forget(instance_id)
        self.metadata.drop(instance_id)
        return {}

    def do_set_metadata(self, instance_id: str, tree: Answer) -> Answer:
        self.metadata.put(instance_id, tree)
        return {}

    def do_console(self, instance_id: str) -> Answer:
        console = self.nodes.get(instance_id).console
        return {"text": console.read_text(errors="replace") if console.exists() else ""}

    def do_create_volume(self, volume_id: str, size_gib: int, snapshot_id: str | None) -> Answer:
        self.volumes.create(volume_id, size_gib=size_gib, snapshot_id=snapshot_id)
        return {}

    def do_resize_volume(self, volume_id: str, size_gib: int) -> Answer:
        self.volumes.resize(volume_id, size_gib=size_gib)
        return {}

    def do_delete_volume(self, volume_id: str) -> Answer:
        self.volumes.delete(volume_id)
        return {}

    def do_snapshot(self, volume_id: str, snapshot_id: str) -> Answer:
        self.volumes.snapshot(volume_id, snapshot_id)
        return {}

    def do_snapshot_root(self, instance_id: str, snapshot_id: str) -> Answer:
        self.volumes.snapshot_root(self.nodes.get(instance_id), snapshot_id)
        return {}

    def do_delete_snapshot(self, snapshot_id: str) -> Answer:
        self.volumes.delete_snapshot(snapshot_id)
        return {}

    def do_attach(self, instance_id: str, volume_id: str, device: str) -> Answer:
        return {"path": self.volumes.attach(self.nodes.get(instance_id), volume_id, device=device)}

    def do_detach(self, instance_id: str, volume_id: str, force: bool) -> Answer:
        return {"detached": self.volumes.detach(self.nodes.get(instance_id), volume_id, force=force)}

    def do_connect(self, address: str, port: int, timeout: float) -> int:
        """The connection's descriptor."""
        node = self.nodes.by_address(address)
        if node is None:
            network.dial_nobody(address, port, timeout=timeout)
            raise HostsError(f"{address} cannot be dialled")
        return network.dial(node.spec.private_ip, port, timeout=timeout).detach()

    def do_listen(self, address: str, port: int) -> int:
        """The listening socket's descriptor."""
        return network.listen(address, port).detach()

    def do_wait_events(self, after: int, timeout: float) -> Answer:
        newest, events = self.nodes.events.after(after, timeout=timeout)
        return {"newest": newest, "events": [one.plain() for one in events]}

    def do_quit(self) -> Answer:
        self.end()
        return {}

    def end(self) -> None:
        """Kill every node, free every device, end the holder."""
        self.ending.set()
        living = self.nodes.living()
        if living:
            with ThreadPoolExecutor(max_workers=8) as pool:
                list(pool.map(self.nodes.crash, living))
        for image in self.disks.images():
            self.disks.release(image)
        self._end_holder()

    def _end_holder(self) -> None:
        try:
            pid = self.holder.pid()
            self.holder.ask("quit")
        except (OSError, HostsError) as error:
            log.info("the holder is gone already: %s", error)
        else:
            end = time.monotonic() + _HOLDER_LIMIT
            while process_lives(pid) and time.monotonic() < end:
                time.sleep(0.01)
        finally:
            self.ended.set()
