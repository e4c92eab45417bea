"""The DNS server's answers, byte by byte; that a node's own resolver takes them is tests/contract/api."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

import pytest

from starcluster.localcloud.hosts import dns

NODES = {"172.31.0.5": "172.31.0.5", "127.77.0.9": "172.31.0.5"}
A, TXT, AAAA = 1, 16, 28


def question(name: str, kind: int = A, *, flags: int = 0x0100, count: int = 1) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack(">HHHHHH", 77, flags, count, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


def told(message: bytes) -> tuple[int, list[str]]:
    """Its code, and the addresses."""
    said = dns.answer(message, NODES.get)
    assert said is not None
    number, flags, questions, answers, *_ = struct.unpack_from(">HHHHHH", said)
    assert (number, flags & 0x8000, flags & 0x0100, questions) == (77, 0x8000, 0x0100, 1)
    asked, records = said[12 : len(message)], said[len(message) :]
    assert (asked, len(records)) == (message[12:], 16 * answers)
    return flags & 0xF, [socket.inet_ntoa(records[at + 12 : at + 16]) for at in range(0, len(records), 16)]


@pytest.mark.parametrize(
    "name",
    [
        "ip-172-31-0-5.ec2.internal",
        "IP-172-31-0-5.EC2.internal",
        "ip-172-31-0-5.us-west-2.compute.internal",
        "ec2-127-77-0-9.compute-1.localcloud",
    ],
)
def test_a_node_is_known_by_its_names_and_at_its_private_address(name: str) -> None:
    assert told(question(name)) == (0, ["172.31.0.5"])
    assert told(question(name, AAAA)) == told(question(name, TXT)) == (0, [])


@pytest.mark.parametrize(
    "name",
    [
        "ip-172-31-0-6.ec2.internal",
        "ec2-54-1-2-3.compute-1.amazonaws.com",
        "pypi.org",
        "node001",
        "node001.ec2.internal",
    ],
)
def test_there_is_no_other_name(name: str) -> None:
    assert told(question(name)) == told(question(name, AAAA)) == (3, [])


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0" * 11,
        question("a.b")[:-3],
        question("a.b", flags=0x8000),
        question("a.b", flags=0x2800),
        question("a.b", count=2),
        question("a.b")[:12] + b"\xc0\x0c\0\1\0\1",
        question("a.b")[:12] + b"\x01\xff\0\0\1\0\1",
    ],
)
def test_what_is_no_question_gets_no_answer(message: bytes) -> None:
    assert dns.answer(message, NODES.get) is None


def test_one_question_that_fails_does_not_end_the_service() -> None:
    asked: list[str] = []

    def lookup(address: str) -> str:
        asked.append(address)
        if len(asked) == 1:
            raise RuntimeError("the first one fails")
        return address

    with socket.socket(type=socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        server.bind(("127.0.0.1", 0))
        dns.serve(server, lookup)
        client.settimeout(10)
        for address in ("172-31-0-1", "172-31-0-2"):
            client.sendto(question(f"ip-{address}.ec2.internal"), server.getsockname())
        assert client.recv(512).endswith(bytes([172, 31, 0, 2]))
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)  # the thread waits no longer
