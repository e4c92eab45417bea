"""How the API daemon asks the hosts agent: one call, one connection, plain values, the standard library only."""

import socket
from pathlib import Path
from typing import Any

from starcluster.localcloud.hosts import wire
from starcluster.localcloud.hosts.spec import Event, HostsError, NodeSpec, NodeState

__all__ = ["Event", "Hosts", "HostsError", "NodeSpec", "NodeState"]

_PATIENCE = 120.0  # seconds that a call without a limit of its own may take; only a hung agent needs so long
_ERRORS: dict[str, type[Exception]] = {
    "refused": ConnectionRefusedError,
    "timeout": TimeoutError,
    "hosts": HostsError,
}


class Hosts:
    """The hosts of one local cloud, behind the agent's socket.

    Every method raises HostsError when the agent refuses, and when it does not answer at all.
    """

    def __init__(self, agent_socket: Path) -> None:
        self.agent_socket = agent_socket

    def ping(self) -> dict[str, Any]:
        """{"pid": the agent's, "version": 1, "nodes": [ids of the live nodes], "part": of the addresses}."""
        return self._ask("ping")

    def boot(self, spec: NodeSpec) -> None:
        """Start a node; returns when it has a process. A root disk left by an earlier run of the id is used again."""
        self._ask("boot", spec=spec.plain())

    def wait_ready(self, instance_id: str, *, timeout: float) -> bool:
        """Wait until the node's SSH server accepts; False when it did not within `timeout` or the node died."""
        answer = self._ask("wait_ready", patience=timeout + _PATIENCE, instance_id=instance_id, timeout=timeout)
        return bool(answer["ready"])

    def nodes(self) -> dict[str, NodeState]:
        """Every node that has a disk here, alive or not."""
        return {one: NodeState.of(state) for one, state in self._ask("nodes")["nodes"].items()}

    def shutdown(self, instance_id: str, *, timeout: float) -> None:
        """Stop a node in order: processes are asked, then killed after `timeout`, file systems unmounted clean."""
        self._ask("shutdown", patience=timeout + _PATIENCE, instance_id=instance_id, timeout=timeout)

    def crash(self, instance_id: str) -> None:
        """Sudden death: what was not synced is lost, volumes are free for others afterwards."""
        self._ask("crash", instance_id=instance_id)

    def freeze(self, instance_id: str, *, thaw: bool = False) -> None:
        """Let a node do nothing any more: connections to it open and nobody answers. `thaw` lets it go on."""
        self._ask("freeze", instance_id=instance_id, thaw=thaw)

    def reboot(self, instance_id: str) -> None:
        """Stop in order and start again with the same disk and volumes."""
        self._ask("reboot", instance_id=instance_id)

    def forget(self, instance_id: str) -> None:
        """Delete a dead node's root disk and its record."""
        self._ask("forget", instance_id=instance_id)

    def set_metadata(self, instance_id: str, tree: dict[str, Any]) -> None:
        """Replace what the node's metadata service tells."""
        self._ask("set_metadata", instance_id=instance_id, tree=tree)

    def console(self, instance_id: str) -> str:
        """The console output so far, over all boots."""
        return str(self._ask("console", instance_id=instance_id)["text"])

    def create_volume(self, volume_id: str, *, size_gib: int, snapshot_id: str | None = None) -> None:
        """Make a volume, empty or from a snapshot (then of at least the snapshot's size)."""
        self._ask("create_volume", volume_id=volume_id, size_gib=size_gib, snapshot_id=snapshot_id)

    def resize_volume(self, volume_id: str, *, size_gib: int) -> None:
        """Let a volume grow, attached or not."""
        self._ask("resize_volume", volume_id=volume_id, size_gib=size_gib)

    def delete_volume(self, volume_id: str) -> None:
        """Delete a volume that is not attached."""
        self._ask("delete_volume", volume_id=volume_id)

    def snapshot(self, volume_id: str, snapshot_id: str) -> None:
        """Copy a volume as it is at one moment, mounted or not."""
        self._ask("snapshot", volume_id=volume_id, snapshot_id=snapshot_id)

    def snapshot_root(self, instance_id: str, snapshot_id: str) -> None:
        """Copy a node's root disk as it is at one moment, whether it runs or not."""
        self._ask("snapshot_root", instance_id=instance_id, snapshot_id=snapshot_id)

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot."""
        self._ask("delete_snapshot", snapshot_id=snapshot_id)

    def attach(self, instance_id: str, volume_id: str, *, device: str) -> str:
        """Show a volume in a node; returns the path there, /dev/nvmeXn1."""
        return str(self._ask("attach", instance_id=instance_id, volume_id=volume_id, device=device)["path"])

    def detach(self, instance_id: str, volume_id: str, *, force: bool) -> bool:
        """Take a volume away; False while the node has it mounted and `force` is not given."""
        return bool(self._ask("detach", instance_id=instance_id, volume_id=volume_id, force=force)["detached"])

    def connect(self, address: str, port: int, *, timeout: float = 5) -> socket.socket:
        """A TCP connection to a node, by private or public address.

        ConnectionRefusedError and TimeoutError as from a dial over a real network.
        """
        message = {"address": address, "port": port, "timeout": timeout}
        answer, fds = self._exchange("connect", timeout + _PATIENCE, message)
        if not fds:
            raise HostsError(f"no connection came with the agent's answer {answer}")
        return socket.socket(fileno=fds[0])

    def listen(self, address: str, port: int) -> socket.socket:
        """A socket that listens in the cloud's network, at an address of our own there."""
        answer, fds = self._exchange("listen", _PATIENCE, {"address": address, "port": port})
        if not fds:
            raise HostsError(f"no socket came with the agent's answer {answer}")
        return socket.socket(fileno=fds[0])

    def wait_events(self, after: int, *, timeout: float) -> tuple[int, list[Event]]:
        """Events with a number above `after`, waiting up to `timeout` for the first; with the newest number."""
        answer = self._ask("wait_events", patience=timeout + _PATIENCE, after=after, timeout=timeout)
        return int(answer["newest"]), [Event.of(one) for one in answer["events"]]

    def quit(self) -> None:
        """Kill all nodes, free all devices and end the agent."""
        self._ask("quit")

    def _ask(self, op: str, *, patience: float = _PATIENCE, **arguments: Any) -> dict[str, Any]:
        return self._exchange(op, patience, arguments)[0]

    def _exchange(self, op: str, patience: float, arguments: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
        try:
            answer, fds = wire.ask(self.agent_socket, {"op": op, "args": arguments}, timeout=patience)
        except OSError as error:
            raise HostsError(f"the hosts agent does not answer at {self.agent_socket}: {error}") from error
        if "error" in answer:
            raise _ERRORS.get(answer.get("kind", ""), HostsError)(answer["error"])
        return answer, fds
