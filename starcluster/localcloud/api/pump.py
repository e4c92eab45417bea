"""Two sockets joined: what one says the other hears, until both have said their last."""

from __future__ import annotations

import contextlib
import socket
import threading

CHUNK = 1 << 18


def join(one: socket.socket, other: socket.socket) -> None:
    """Copy both ways; returns when both directions have ended."""
    back = threading.Thread(target=_pump, args=(other, one), daemon=True)
    back.start()
    _pump(one, other)
    back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy until the end of one direction, and pass that end on."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
