"""One JSON line asked, one answered, over a Unix socket; file descriptors ride on the answer or the question."""

import contextlib
import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_MOST_FDS = 8
_CHUNK = 65536


def send(sock: socket.socket, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
    """Send one message; `fds` are duplicated into the receiver."""
    raw = json.dumps(message, separators=(",", ":")).encode() + b"\n"
    sent = socket.send_fds(sock, [raw], list(fds)) if fds else sock.send(raw)
    if sent < len(raw):  # an empty write would fail when the peer has got all and gone
        sock.sendall(raw[sent:])


def receive(sock: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """The next message and the descriptors that came with it; None when the peer has closed."""
    raw = bytearray()
    received: list[int] = []
    while not raw.endswith(b"\n"):
        piece, fds, _, _ = socket.recv_fds(sock, _CHUNK, _MOST_FDS)
        received += fds
        if not piece:
            return None, received
        raw += piece
    return json.loads(raw), received


@contextlib.contextmanager
def dialled(path: Path, timeout: float | None) -> Iterator[socket.socket]:
    """A connection to the socket at `path`; `timeout` also limits every later wait on it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        sock.connect(str(path))
        yield sock


def ask(
    path: Path, message: dict[str, Any], fds: Sequence[int] = (), *, timeout: float | None = None
) -> tuple[dict[str, Any], list[int]]:
    """Ask once on a connection of its own. OSError when nobody answers."""
    with dialled(path, timeout) as sock:
        send(sock, message, fds)
        answer, received = receive(sock)
    if answer is None:
        raise ConnectionResetError("the connection was closed without an answer")
    return answer, received
