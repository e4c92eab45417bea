"""The cloud's own network: a bridge, a cable a node, and the way in for those outside. All in the agent's namespace."""

import socket
import subprocess
import time

GATEWAY = "172.31.0.1"
METADATA = "169.254.169.254"
SERVICES = "169.254.169.253"  # of EC2's DNS; the local cloud serves S3 and packages to its nodes there too
_BRIDGE = "br0"
# Without one of its own the bridge takes the lowest of its cables' addresses: it would change as nodes come and go, and
# what the others then send to the old one is lost for seconds, until they ask anew who has the gateway's address.
_BRIDGE_MAC = "0e:00:ac:1f:00:01"
_LOST = 1.0  # how long a dial to an address that nobody has takes at most, instead of its whole limit


def _ip(batch: str, *, check: bool = True) -> None:
    subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=check, capture_output=True)


def make_bridge() -> None:
    """Set up the bridge, in a namespace that has none yet."""
    _ip(
        f"link set lo up\nlink add {_BRIDGE} address {_BRIDGE_MAC} type bridge forward_delay 0 stp_state 0\n"
        f"addr add {GATEWAY}/16 dev {_BRIDGE}\naddr add {METADATA}/32 dev {_BRIDGE}\nlink set {_BRIDGE} up\n"
    )


def plug_in(pid: int, mac: str) -> None:
    """Give the namespace of a process an eth0 that is on the bridge."""
    cable = _cable(pid)
    _ip(f"link add {cable} type veth peer name eth0 address {mac} netns {pid}\nlink set {cable} master {_BRIDGE} up\n")


def cut(pid: int) -> None:
    """Let no packet of the node pass any more."""
    _ip(f"link set {_cable(pid)} down\n", check=False)


def unplug(pid: int) -> None:
    """Remove the cable of a node, if it is there still."""
    _ip(f"link del {_cable(pid)}\n", check=False)


def _cable(pid: int) -> str:
    return f"v{pid}"


def metadata_listener() -> socket.socket:
    """The socket on which the metadata service listens."""
    return _listener(METADATA, 80)


def dns_socket() -> socket.socket:
    """The socket on which the network's DNS server is asked."""
    _ip(f"addr replace {SERVICES}/32 dev {_BRIDGE}\n")
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.bind((SERVICES, 53))
    return sock


def listen(address: str, port: int) -> socket.socket:
    """A listening socket at an address that the bridge has, or gets now."""
    _ip(f"addr replace {address}/32 dev {_BRIDGE}\n")
    return _listener(address, port)


def _listener(address: str, port: int) -> socket.socket:
    sock = socket.socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(256)
    except OSError:
        sock.close()
        raise
    return sock


def dial(address: str, port: int, *, timeout: float) -> socket.socket:
    """Connect to a node. ConnectionRefusedError when the port is shut, TimeoutError when nobody answers."""
    sock = socket.socket()
    try:
        sock.settimeout(timeout)
        sock.connect((address, port))
        sock.settimeout(None)
    except ConnectionRefusedError:
        sock.close()
        raise
    except OSError as error:
        sock.close()
        raise TimeoutError(f"{address} port {port} does not answer: {error}") from error
    return sock


def dial_nobody(address: str, port: int, *, timeout: float) -> None:
    """What a dial to an address without a node does: it takes a while, and fails."""
    time.sleep(min(timeout, _LOST))
    raise TimeoutError(f"{address} port {port} does not answer: no node has this address")
