"""The end on the node: asked on standard input, it sends or receives there and on standard output."""

from __future__ import annotations

import sys

from starcluster.copyends import wire as w
from starcluster.copyends.receiver import Receiver
from starcluster.copyends.sender import Sender

_WHERE = " on the node"
_BUFFER = 1 << 18


def main() -> None:
    # what lies in a buffer of Python's would be lost to the wire, and one of 8 KiB makes small packets
    wire = w.Wire(open(0, "rb", 0, closefd=False), open(1, "wb", _BUFFER, closefd=False))  # noqa: SIM115
    wire.sink.write(w.READY)
    wire.flush()
    try:
        _, asked = wire.hear(w.ASK)
        if asked["do"] == "send":
            send(wire, asked)
        else:
            receive(wire, asked)
    except w.Refused:
        sys.exit(0)  # it was told
    except w.Lost as error:
        sys.exit(f"the copy broke off: {error}")


def send(wire: w.Wire, asked: dict) -> None:  # type: ignore[type-arg]
    try:
        Sender(wire, where=_WHERE).run([w.raw(one) for one in asked["sources"]])
    except w.Refused as refusal:
        wire.tell(w.REFUSED, str(refusal))
        wire.flush()


def receive(wire: w.Wire, asked: dict) -> None:  # type: ignore[type-arg]
    target, checksum = w.raw(asked["target"]), bool(asked["checksum"])
    Receiver(wire, target, where=_WHERE, trusted=True, checksum=checksum).run()
