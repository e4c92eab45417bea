"""A connection to a node, and the ProxyCommand that pumps one.

    python dial.py FOLDER HOST PORT

`HOST` is a public address (127.77.x.y), a private one (172.31.x.y) or one of EC2's names of either. May be run as a
file from any directory; imports the standard library and the hosts' client only.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from starcluster.localcloud.hosts.client import Hosts, HostsError
from starcluster.localcloud.places import Places

_NAME = re.compile(r"^(?:ec2|ip)-(\d+)-(\d+)-(\d+)-(\d+)(?:\..*)?$")
_ADDRESS = re.compile(r"^(127\.77|172\.31)(\.\d{1,3}){2}$")
CHUNK = 1 << 18
PATIENCE = 20.0


def address_of(host: str) -> str:
    """The address behind a name of this cloud; raises ValueError for every other host.

    The refusal is what keeps a tool that mixes up its clouds from being sent to a real machine.
    """
    named = _NAME.match(host)
    address = ".".join(named.groups()) if named else host
    if not _ADDRESS.match(address):
        raise ValueError(f"'{host}' is not an address of the local cloud")
    return address


def connect(places: Places, host: str, port: int, *, timeout: float = 5) -> socket.socket:
    """A connected socket; ConnectionRefusedError, TimeoutError or HostsError like a real dial's failures."""
    return Hosts(places.agent_socket).connect(address_of(host), port, timeout=timeout)


def _pump_in(link: socket.socket) -> None:
    """From stdin to the node; the end of stdin closes that half only."""
    try:
        while data := os.read(0, CHUNK):
            link.sendall(data)
        link.shutdown(socket.SHUT_WR)
    except OSError:
        return  # the node has closed; the other direction notices


def _pump_out(link: socket.socket) -> None:
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    while size := link.recv_into(buffer):
        sent = 0
        while sent < size:
            sent += os.write(1, view[sent:size])


def main(words: list[str]) -> int:
    """Pump until the node closes; exit 1 with one line if it cannot be reached."""
    if len(words) != 3 or not words[2].isdigit():
        sys.stderr.write("usage: dial.py FOLDER HOST PORT\n")
        return 2
    folder, host, port = words
    try:
        link = connect(Places(Path(folder)), host, int(port), timeout=PATIENCE)
    except (OSError, ValueError, HostsError) as error:
        sys.stderr.write(f"{host} port {port}: {error}\n")
        return 1
    link.settimeout(None)
    threading.Thread(target=_pump_in, args=(link,), daemon=True).start()
    try:
        _pump_out(link)
    except OSError:
        return 0  # ssh, or the node, has gone in the middle of a transfer: ssh says so itself
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(status)  # the other pump may still wait for stdin
