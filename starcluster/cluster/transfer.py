"""put and get: which way files go to a node and back, and what is said of it.

With Python on the node (every image with cloud-init has it) the two ends in `copyends` speak to each other through one
call of the ssh program: what is there already is not sent again, a file goes on where it broke off, each one is
compared by a sum, and has its name only when it is whole. A node without Python gets one tar stream, a machine
without an ssh program copies by SFTP.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starcluster import exception
from starcluster.cluster import tarstream
from starcluster.cluster.copylink import CopyLink, LinkLost, NoPython
from starcluster.copyends.receiver import Receiver
from starcluster.copyends.sender import Sender
from starcluster.copyends.wire import Meter, Refused, Wire, text
from starcluster.logger import log
from starcluster.ssh import login

if TYPE_CHECKING:
    from starcluster.cluster.headstart import Headstart
    from starcluster.cluster.node import Node

TRIES = 5  # in a row that bring nothing
_PAUSE = 2.0
_MOST_LINES = 20


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What a copy did. Counts are of files; `kept` were there already, `resumed` went on where they had broken off."""

    files: int = 0
    bytes: int = 0
    kept: int = 0
    resumed: int = 0


def put(
    node: Node,
    sources: Sequence[str],
    target: str,
    *,
    user: str = "root",
    meter: Meter | None = None,
    checksum: bool = False,
    begun: Headstart | None = None,
) -> Copied | None:
    """Copy local files and folders to the node; None when nobody counted. `begun`: a login that is on its way.

    SCPException names each file that did not get there; all others are there.
    """
    paths = [os.fsencode(source) for source in sources]
    _refusing(lambda: Sender(_NOWHERE).named(paths))
    if login.ssh_program() is None:
        with node.access.client(node.id, node.dns_name, user=user) as client:
            client.put(list(sources), target)
        return None

    watched = _Watched(meter or Meter())

    def talk(wire: Wire) -> Any:
        return Sender(wire, meter=watched).run(paths)

    asked = {"do": "receive", "target": _plain(target), "checksum": checksum}
    try:
        return _patiently(CopyLink(node, user, asked, begun), talk, watched)
    except NoPython:
        tarstream.warn(node)
        tarstream.put(node, sources, target, user=user, progress=meter.add if meter else None)
        return None


def get(
    node: Node,
    sources: Sequence[str],
    target: str,
    *,
    user: str = "root",
    meter: Meter | None = None,
    checksum: bool = False,
    begun: Headstart | None = None,
) -> Copied | None:
    """Copy files and folders from the node, which expands wildcards; otherwise as put."""
    into = os.fsencode(target)
    _refusing(lambda: Receiver(_NOWHERE, into).places.check())
    if login.ssh_program() is None:
        with node.access.client(node.id, node.dns_name, user=user) as client:
            client.get(list(sources), target)
        return None

    watched = _Watched(meter or Meter())
    asked_for = [os.fsencode(source) for source in sources]

    def talk(wire: Wire) -> Any:
        return Receiver(wire, into, checksum=checksum, asked=asked_for, meter=watched).run()

    asked = {"do": "send", "sources": [_plain(source) for source in sources]}
    try:
        return _patiently(CopyLink(node, user, asked, begun), talk, watched)
    except NoPython:
        tarstream.warn(node)
        tarstream.get(node, sources, target, user=user, progress=meter.add if meter else None)
        return None


class _Watched(Meter):
    """Hands on what it is told, and knows how much was missing when the ends had last compared."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.missing: int | None = None

    def expect(self, total: int) -> None:
        self.missing = total
        self.meter.expect(total)

    def add(self, count: int) -> None:
        self.meter.add(count)


def _patiently(link: CopyLink, talk: Callable[[Wire], Any], watched: _Watched) -> Copied:
    """Talk until it is done; a connection that breaks is made anew, and the copy goes on."""
    node, failed, least, begun = link.node, 0, None, False
    while True:
        watched.missing = None
        try:
            return _outcome(link.run(talk))
        except Refused as refusal:
            raise exception.SCPException(str(refusal)) from refusal
        except LinkLost as lost:
            begun = begun or lost.begun
            if not begun:
                raise exception.SSHConnectionError(f"no connection to {node.alias}: {lost}") from lost
            failed += 1
            now = watched.missing
            # less is missing than ever before: what came last time has stayed there
            if now is not None and (least is None or now < least):
                least, failed = now, 1
            if failed >= TRIES:
                raise _given_up(node, lost) from lost
            _wait(node, failed)


def _wait(node: Node, failed: int) -> None:
    log.warning("the connection to %s broke; the copy goes on where it was", node.alias, extra={"__stderr__": True})
    node.clock.sleep(_PAUSE * 2 ** (failed - 1))
    try:
        node.update()  # it may have another address, or be gone
    except exception.AWSError as error:
        log.debug("EC2 does not tell how %s is: %s", node.alias, error)


def _given_up(node: Node, lost: LinkLost) -> exception.SSHConnectionError:
    return exception.SSHConnectionError(
        f"the connection to {node.alias} broke {TRIES} times in a row without bringing anything: {lost}",
        hint="what has arrived is kept: the same command, given again, goes on from there",
    )


def _outcome(said: dict[str, Any]) -> Copied:
    """What the receiver says at the end; SCPException with what it could not take."""
    for line in _some(said["warnings"]):
        log.warning("%s", line, extra={"__stderr__": True})
    if said["failures"]:
        rest = "everything else is there; " if said["files"] + said["kept"] else ""
        hint = f"{rest}the same command, given again, copies what is missing"
        raise exception.SCPException("\n".join(_some(said["failures"])), hint=hint)
    return Copied(**{name: int(said[name]) for name in ("files", "bytes", "kept", "resumed")})


def _some(lines: Sequence[str]) -> list[str]:
    if len(lines) <= _MOST_LINES:
        return list(lines)
    return [*lines[:_MOST_LINES], f"... and {len(lines) - _MOST_LINES} more such lines"]


def _refusing(look: Callable[[], Any]) -> None:
    """What can be refused before anybody is connected to."""
    try:
        look()
    except Refused as refusal:
        raise exception.SCPException(str(refusal)) from refusal


def _plain(path: str) -> str:
    return text(os.fsencode(path))


_NOWHERE = Wire(io.BytesIO(), io.BytesIO())
