"""The network's DNS server: EC2's names of this cloud's nodes, as the nodes see them, and no other name.

    ip-172-31-0-5.ec2.internal                     172.31.0.5
    ec2-127-77-0-5.compute-1.localcloud            172.31.0.5, as on EC2 within the network

`lookup` leads from an address, private or public, to the private one of the node that has it. Messages are those of RFC
1035 over UDP; what asks for more than one name, or is no question, gets no answer.
"""

import logging
import re
import socket
import struct
import threading
from collections.abc import Callable

Lookup = Callable[[str], str | None]

_NAME = re.compile(r"(?:ip|ec2)-(\d{1,3})-(\d{1,3})-(\d{1,3})-(\d{1,3})\.(?:.+\.)?(?:internal|localcloud)")
_HEAD = struct.Struct(">HHHHHH")  # number, flags, questions, answers, authorities, more
_IS_ANSWER, _OPERATION, _RECURSE = 0x8000, 0x7800, 0x0100
_ANSWER = 0x8480  # an answer, of who decides, who would ask others
_NO_SUCH_NAME = 3
_A, _INTERNET, _SECONDS = 1, 1, 60
_LONGEST = 512

log = logging.getLogger("localcloud.dns")


def answer(message: bytes, lookup: Lookup) -> bytes | None:
    """The answer to a question; None to what is none."""
    try:
        number, flags, questions, *_ = _HEAD.unpack_from(message)
        name, end = _name(message)
        kind, network = struct.unpack_from(">HH", message, end)
    except (struct.error, IndexError, UnicodeDecodeError):
        return None
    if flags & (_IS_ANSWER | _OPERATION) or questions != 1:
        return None
    address = _address(name, lookup)
    told = address is not None and (kind, network) == (_A, _INTERNET)
    flags = _ANSWER | flags & _RECURSE | (_NO_SUCH_NAME if address is None else 0)
    record = b""
    if told and address:
        record = struct.pack(">HHHIH", 0xC000 | _HEAD.size, _A, _INTERNET, _SECONDS, 4) + socket.inet_aton(address)
    return _HEAD.pack(number, flags, 1, int(told), 0, 0) + message[_HEAD.size : end + 4] + record


def _name(message: bytes) -> tuple[str, int]:
    """The name that is asked for, in small letters, and where it ends."""
    labels, at = [], _HEAD.size
    while size := message[at]:
        if size > 63:
            raise IndexError("a name that goes on elsewhere: no question has one")
        labels.append(message[at + 1 : at + 1 + size].decode("ascii").lower())
        at += 1 + size
    return ".".join(labels), at + 1


def _address(name: str, lookup: Lookup) -> str | None:
    found = _NAME.fullmatch(name)
    return lookup(".".join(found.groups())) if found else None


def serve(sock: socket.socket, lookup: Lookup) -> None:
    """Answer on a bound UDP socket, in a thread, until the process ends or the socket is closed."""
    threading.Thread(target=_serve, args=(sock, lookup), name="dns", daemon=True).start()


def _serve(sock: socket.socket, lookup: Lookup) -> None:
    while sock.fileno() >= 0:
        try:
            message, whence = sock.recvfrom(_LONGEST)
            said = answer(message, lookup)
            if said is not None:
                sock.sendto(said, whence)
        except Exception:  # one question must not end the service
            log.exception("a question could not be answered")
