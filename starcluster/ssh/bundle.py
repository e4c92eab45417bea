"""Several scripts in one go: each way to a node and back costs time, and a set-up has many small steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from starcluster import exception
from starcluster.logger import log

_MARK = "\x1e"  # before each part's output; no step prints it
_SHOWN = 20


class Runner(Protocol):
    """The part of ssh.client.SSHClient that is used here."""

    def run(self, command: str, *, data: bytes = b"", timeout: float | None = None) -> tuple[int, bytes, bytes]: ...


@dataclass(frozen=True, kw_only=True)
class _Part:
    text: str
    what: str
    secret: bool
    output: list[str] = field(default_factory=list)


class Bundle:
    """Stands in for a client: takes what it is told to run, and runs all of it later, in that order.

    The first part that fails ends the rest. The lists that `script` returned are filled by `run`.
    """

    def __init__(self) -> None:
        self._parts: list[_Part] = []

    def script(self, text: str, *, what: str, secret: bool = False) -> list[str]:
        """Lines of bash, as SSHClient.script takes them; what they print will be in the list."""
        part = _Part(text=text, what=what, secret=secret)
        self._parts.append(part)
        return part.output

    def run(self, client: Runner, label: str) -> None:
        """Do it; RemoteCommandFailed names the part that failed."""
        if not self._parts:
            return
        status, output, errors = client.run("exec bash -s", data=self._text().encode())
        _, *blocks = output.decode("utf-8", "replace").split(_MARK)
        for part, block in zip(self._parts, blocks, strict=False):
            part.output.extend(block.splitlines()[1:])
            log.debug("%s: %s -> %s", label, part.what, "(secret)" if part.secret else part.output[-5:])
        if status:
            last = self._parts[max(len(blocks) - 1, 0)]
            told = [*last.output, *errors.decode("utf-8", "replace").splitlines()]
            message = "\n".join([f"{last.what}: status {status} on {label}", *told[-_SHOWN:]])
            raise exception.RemoteCommandFailed(message, last.what, status, "\n".join(told))

    def _text(self) -> str:
        """Each part is a function with a shell of its own: what it sets, locks or leaves early is its own affair."""
        lines = ["set -eu", "export LC_ALL=C", "main() {"]
        for number, part in enumerate(self._parts):
            lines += [f"part_{number}() (", ":", part.text, ")", f"printf '\\036\\n'; part_{number}"]
        return "\n".join([*lines, "}", "main </dev/null", ""])
