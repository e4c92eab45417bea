"""Hosts without hosts: the shape of hosts.client.Hosts, with a memory of what was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from starcluster.localcloud.hosts.client import Event, HostsError, NodeSpec, NodeState


class FakeHosts:
    """Boots nothing. `mounted` volumes refuse to be detached; `broken` names operations that fail."""

    def __init__(self) -> None:
        self.specs: dict[str, NodeSpec] = {}
        self.alive: set[str] = set()
        self.metadata: dict[str, dict[str, Any]] = {}
        self.volumes: dict[str, int] = {}
        self.snapshots: dict[str, str] = {}
        self.attached: dict[str, str] = {}
        self.mounted: set[str] = set()
        self.broken: set[str] = set()
        self.asked: list[tuple[str, ...]] = []
        self._events: list[Event] = []
        self._wake = threading.Condition()

    def _note(self, op: str, *words: str) -> None:
        self.asked.append((op, *words))
        if op in self.broken:
            raise HostsError(f"{op} is broken")

    def ops(self, *names: str) -> list[tuple[str, ...]]:
        """What was asked for, of these operations."""
        return [each for each in self.asked if each[0] in names]

    def ping(self) -> dict[str, Any]:
        return {"pid": 1, "version": 1, "nodes": sorted(self.alive)}

    def boot(self, spec: NodeSpec) -> None:
        self._note("boot", spec.instance_id)
        self.specs[spec.instance_id] = spec
        self.alive.add(spec.instance_id)

    def nodes(self) -> dict[str, NodeState]:
        return {each: NodeState(alive=each in self.alive, pid=1, boot_id="", ready=True) for each in self.specs}

    def _end(self, instance_id: str) -> None:
        self.alive.discard(instance_id)
        self.attached = {volume: node for volume, node in self.attached.items() if node != instance_id}

    def shutdown(self, instance_id: str, *, timeout: float) -> None:
        self._note("shutdown", instance_id)
        self._end(instance_id)

    def crash(self, instance_id: str) -> None:
        self._note("crash", instance_id)
        self._end(instance_id)

    def freeze(self, instance_id: str, *, thaw: bool = False) -> None:
        self._note("freeze", instance_id, "thaw" if thaw else "")

    def reboot(self, instance_id: str) -> None:
        self._note("reboot", instance_id)

    def forget(self, instance_id: str) -> None:
        self._note("forget", instance_id)
        self.specs.pop(instance_id, None)

    def set_metadata(self, instance_id: str, tree: dict[str, Any]) -> None:
        self.metadata[instance_id] = tree

    def console(self, instance_id: str) -> str:
        return f"console of {instance_id}\n"

    def create_volume(self, volume_id: str, *, size_gib: int, snapshot_id: str | None = None) -> None:
        self._note("create_volume", volume_id)
        self.volumes[volume_id] = size_gib

    def resize_volume(self, volume_id: str, *, size_gib: int) -> None:
        self._note("resize_volume", volume_id)
        self.volumes[volume_id] = size_gib

    def delete_volume(self, volume_id: str) -> None:
        self._note("delete_volume", volume_id)
        self.volumes.pop(volume_id, None)

    def snapshot(self, volume_id: str, snapshot_id: str) -> None:
        self._note("snapshot", volume_id, snapshot_id)
        self.snapshots[snapshot_id] = volume_id

    def snapshot_root(self, instance_id: str, snapshot_id: str) -> None:
        self._note("snapshot_root", instance_id, snapshot_id)
        self.snapshots[snapshot_id] = instance_id

    def delete_snapshot(self, snapshot_id: str) -> None:
        self._note("delete_snapshot", snapshot_id)
        self.snapshots.pop(snapshot_id, None)

    def attach(self, instance_id: str, volume_id: str, *, device: str) -> str:
        self._note("attach", instance_id, volume_id)
        self.attached[volume_id] = instance_id
        return "/dev/nvme1n1"

    def detach(self, instance_id: str, volume_id: str, *, force: bool) -> bool:
        self._note("detach", instance_id, volume_id)
        if volume_id in self.mounted and not force:
            return False
        self.attached.pop(volume_id, None)
        return True

    def wait_events(self, after: int, *, timeout: float) -> tuple[int, list[Event]]:
        fresh: Callable[[], bool] = lambda: len(self._events) > after  # noqa: E731
        with self._wake:
            self._wake.wait_for(fresh, timeout=timeout)
            return len(self._events), self._events[after:]

    def exit(self, instance_id: str, how: str) -> None:
        """A node ends by itself."""
        self._end(instance_id)
        with self._wake:
            number = len(self._events) + 1
            self._events.append(Event(number=number, kind="exited", instance_id=instance_id, how=how))
            self._wake.notify_all()

    def quit(self) -> None:
        self.alive.clear()
