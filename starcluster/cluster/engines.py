"""The way to a cluster's IPython engines: the controller's ports, each at a port of this machine, through one ssh."""

from __future__ import annotations

import atexit
import contextlib
import socket
import subprocess
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starcluster import exception

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

_HERE = "127.0.0.1"
_LIMIT = 30.0
_PAUSE = 0.2
_KILL_AFTER = 5.0
# what a client's connection file has of ports (ipyparallel's own names)
_PORTS = ("registration", "control", "mux", "task", "iopub", "notification", "broadcast")


def ports_of(connection: Mapping[str, Any]) -> list[int]:
    """The controller's ports that a client speaks to."""
    found: list[int] = []
    for name in _PORTS:
        value = connection.get(name, [])
        found += [value] if isinstance(value, int) else [one for one in value if isinstance(one, int)]
    return sorted(set(found))


def local(connection: Mapping[str, Any], ports: Mapping[int, int]) -> dict[str, Any]:
    """The connection by way of ports of this machine: `ports` is the controller's port -> ours."""

    def ours(value: Any) -> Any:
        if isinstance(value, int):
            return ports.get(value, value)
        return [ours(one) for one in value]

    moved = {name: ours(connection[name]) for name in _PORTS if name in connection}
    return {**connection, **moved, "ssh": "", "interface": f"tcp://{_HERE}", "location": _HERE}


def open_way(master: Node, connection: Mapping[str, Any]) -> dict[str, Any]:
    """The connection for a client here; the ssh behind it ends with this program."""
    target = str(connection.get("location") or master.private_ip_address)
    ports = dict(zip(ports_of(connection), _free_ports(len(ports_of(connection))), strict=True))
    words = [*master.login_argv(), "-N", "-o", "ExitOnForwardFailure=yes"]
    for theirs, here in ports.items():
        words += ["-L", f"{_HERE}:{here}:{target}:{theirs}"]
    ssh = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    atexit.register(_end, ssh)
    _wait(master, ssh, list(ports.values()))
    return local(connection, ports)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody has at this moment."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind((_HERE, 0))
        return [int(one.getsockname()[1]) for one in found]


def _wait(master: Node, ssh: subprocess.Popen[bytes], ports: Sequence[int]) -> None:
    end = master.clock.end_of(_LIMIT)
    while not all(_answers(port) for port in ports):
        if ssh.poll() is not None:
            told = ssh.stderr.read().decode("utf-8", "replace").strip() if ssh.stderr else ""
            raise exception.SSHConnectionError(f"no way to the engines through {master.alias}: {told}")
        if master.clock.monotonic() > end:
            raise exception.WaitTimeout(f"ssh to {master.alias} opened no way to the engines in {_LIMIT:.0f} seconds")
        master.clock.sleep(_PAUSE)


def _answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex((_HERE, port)) == 0


def _end(ssh: subprocess.Popen[bytes]) -> None:
    ssh.terminate()
    try:
        ssh.wait(_KILL_AFTER)
    except subprocess.TimeoutExpired:
        ssh.kill()
        ssh.wait()
