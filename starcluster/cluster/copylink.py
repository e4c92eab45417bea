"""One call of the ssh program with the other end of a copy on the node."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from starcluster import exception
from starcluster.copyends import wire as w
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.cluster.headstart import Headstart
    from starcluster.cluster.node import Node

_PARTS = ("wire", "incoming", "places", "receiver", "sender", "node")
_CONNECTION_LOST = 255
_NO_PYTHON = 91
_BUFFER = 1 << 18
_NOISE = 1 << 16  # what a user's .bashrc may print before we are heard
_LAST_SECONDS = 10.0
# the modules come as JSON, and each is made in the order given: nothing is written to the node's disk
_LOADER = """
import json, sys, types
stdin, text = open(0, "rb", 0, closefd=False), b""
size = int(stdin.readline())
while len(text) < size:
    text += stdin.read(size - len(text)) or sys.exit("half a program came")
for name, source in json.loads(text):
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, name, "exec"), module.__dict__)
sys.modules["starcluster.copyends.node"].main()
"""
_PYTHON = f"import sys; sys.version_info < (3, 8) and sys.exit({_NO_PYTHON}); exec(sys.argv[1])"
_START = f"""
for python in python3 /usr/libexec/platform-python; do
  command -v $python >/dev/null 2>&1 && exec $python -I -S -c {shlex.quote(_PYTHON)} {shlex.quote(_LOADER)}
done
exit {_NO_PYTHON}
"""


class LinkLost(Exception):
    """The connection broke, or was never made (then it is not `begun`)."""

    def __init__(self, text: str, *, begun: bool) -> None:
        super().__init__(text)
        self.begun = begun


class NoPython(Exception):
    """The node has no Python that could be the other end."""


def _way() -> tuple[int, int]:
    """(where one writes, where the other reads): sockets, whose writer is woken when most of what he wrote is read.

    The writer into a pipe is woken for every bit of room in it: 15,000 times for half a GB, here 1,000 times.
    """
    writer, reader = socket.socketpair()
    writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
    writer.shutdown(socket.SHUT_RD)
    return writer.detach(), reader.detach()


class Link:
    """An ssh program with the other end on its way to the node; OSError when it can not be started."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self.told = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the program
        (ours_out, its_in), (its_out, ours_in) = _way(), _way()
        sink, source = os.fdopen(ours_out, "wb", _BUFFER), os.fdopen(ours_in, "rb", 0)
        self.wire = w.Wire(source, sink)
        try:
            self.process = subprocess.Popen(words, stdin=its_in, stdout=its_out, stderr=self.told)
        except OSError:
            for one in (self.told, sink, source):
                one.close()
            raise
        finally:
            os.close(its_in)
            os.close(its_out)
        with contextlib.suppress(w.Lost):  # who speaks to it next hears that, and why
            self.wire.sink.write(_program())
            self.wire.flush()

    def kill(self) -> None:
        self.process.kill()
        self.close()

    def close(self) -> None:
        for end in (self.wire.sink, self.wire.source):
            with contextlib.suppress(OSError):
                end.close()
        try:
            self.process.wait(_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.told.close()


class CopyLink:
    def __init__(self, node: Node, user: str, asked: dict[str, Any], begun: Headstart | None = None) -> None:
        """`asked`: what the end on the node is to do, see copyends/node.py. `begun`: a login that is on its way."""
        self.node, self._user, self._asked, self._begun = node, user, asked, begun

    def run(self, talk: Callable[[w.Wire], Any]) -> Any:
        """Start the other end and be this one; what `talk` returns, w.Refused, LinkLost or NoPython."""
        command = f"exec sh -c {shlex.quote(_START)}"
        words = self.node.login_argv(user=self._user, command=command, profile=False, bulk=True)
        early = self._begun.take(words) if self._begun else None
        if early is not None:
            try:
                return self._with(early, talk)
            except LinkLost as lost:
                if lost.begun:
                    raise
                log.debug("the login to %s that began early: %s", self.node.alias, lost)
        return self._with(Link(words), talk)

    def _with(self, link: Link, talk: Callable[[w.Wire], Any]) -> Any:
        try:
            said = self._over(link, talk)
            link.process.terminate()  # all is said: its farewell to the node need not be waited for
            return said
        except BaseException:
            link.process.kill()
            raise
        finally:
            link.close()

    def _over(self, link: Link, talk: Callable[[w.Wire], Any]) -> Any:
        wire, begun = link.wire, False
        try:
            wire.tell(w.ASK, self._asked)
            wire.flush()
            begun = _ready(wire)
            if self._begun:
                self._begun.remember(link.words)
            return talk(wire)
        except (w.Lost, BrokenPipeError) as lost:
            if begun:
                _last_word(wire)
            raise self._why(link.process, lost, cast("BinaryIO", link.told), begun=begun) from lost

    def _why(self, process: subprocess.Popen[bytes], lost: Exception, told: BinaryIO, *, begun: bool) -> Exception:
        """What the end of the ssh program means."""
        try:
            status = process.wait(_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            return exception.SCPException(f"{lost} ({self.node.alias})")
        told.seek(0)
        text = told.read().decode("utf-8", "replace").strip()
        if status == _NO_PYTHON and not begun:
            return NoPython()
        if status == _CONNECTION_LOST or status < 0:
            return LinkLost(text or str(lost), begun=begun)
        return exception.SCPException(text or f"the copy ended with status {status} on {self.node.alias}")


def _ready(wire: w.Wire) -> bool:
    """Read up to the node's first word."""
    seen = b""
    while not seen.endswith(w.READY):
        line = wire.source.readline(_NOISE)
        seen = (seen + line)[-_NOISE:]
        if not line:
            raise w.Lost(seen.decode("utf-8", "replace").strip() or "the node said nothing")
    return True


def _last_word(wire: w.Wire) -> None:
    """Refused, if that was the reason why the other end went."""
    with contextlib.suppress(w.Lost, ValueError):
        while True:
            kind, length = wire.next()
            body = wire.body(length)
            if kind == w.REFUSED:
                w.known(kind, body)


@cache
def _program() -> bytes:
    """The modules of the other end, with the number of their bytes on a line before."""
    folder = resources.files("starcluster.copyends")
    modules = [("starcluster", ""), ("starcluster.copyends", "")]
    modules += [(f"starcluster.copyends.{name}", (folder / f"{name}.py").read_text("utf-8")) for name in _PARTS]
    body = json.dumps(modules).encode("ascii")
    return b"%d\n" % len(body) + body
