"""How a socket to a node's port is opened: plainly on AWS, by passed file descriptors on the local cloud."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_USER_TIMEOUT_MS = 30_000


class Dialer(Protocol):
    """The way to a node; `host` is an address as EC2 tells it."""

    def dial(self, host: str, port: int, timeout: float) -> socket.socket:
        """An open stream to the port; OSError (refused, timed out, no route) when there is none."""

    def proxy_command(self) -> str | None:
        """What the ssh program needs as its ProxyCommand; None where it can dial by itself."""


class TcpDialer:
    """AWS: the node's address is on the Internet, or in a network that the caller is in."""

    def dial(self, host: str, port: int, timeout: float) -> socket.socket:
        return _watched(socket.create_connection((host, port), timeout))

    def proxy_command(self) -> str | None:
        return None


class LocalDialer:
    """The local cloud: its agent dials inside the nodes' own network and hands the socket over."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def dial(self, host: str, port: int, timeout: float) -> socket.socket:
        from starcluster.localcloud import control

        return _watched(control.dial(self.folder, host, port, timeout=timeout))

    def proxy_command(self) -> str | None:
        from starcluster.localcloud import control

        return control.proxy_command(self.folder)


class GuardedDialer:
    """Another dialer, before whose every use `before` is called: it may have to open the way first."""

    def __init__(self, dialer: Dialer, before: Callable[[], None]) -> None:
        self.dialer, self._before = dialer, before

    def dial(self, host: str, port: int, timeout: float) -> socket.socket:
        self._before()
        return self.dialer.dial(host, port, timeout)

    def proxy_command(self) -> str | None:
        self._before()
        return self.dialer.proxy_command()


def _watched(sock: socket.socket) -> socket.socket:
    """A node that vanished answers nothing, not even a reset: let the kernel give such a connection up."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
    return sock
