"""A node's shell on this machine: scripts run in a real bash, whose programs only note how they are called."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from starcluster import exception

_NOTE = '#!/bin/sh\necho "${{0##*/}}${{1:+ $*}}" >> {log}\n{body}\n'
_REAL = "bash sh awk grep readlink mktemp rmdir rm cat sleep setsid kill head ls mkdir touch printf cut".split()
_REAL += ["tail", "flock", "seq"]


class Shell:
    """`has` gives the node a program; `calls` are the words with which they were called, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.log = folder / "calls"
        self.log.touch()
        for name in _REAL:
            self._link(name)

    def _link(self, name: str) -> None:
        for place in ("/bin", "/usr/bin"):
            if os.path.exists(f"{place}/{name}") and not (self.bin / name).exists():
                (self.bin / name).symlink_to(f"{place}/{name}")

    def has(self, *names: str, body: str = "exit 0") -> None:
        """`body`: lines of sh that are the program."""
        for name in names:
            path = self.bin / name
            path.unlink(missing_ok=True)
            path.write_text(_NOTE.format(log=self.log, body=body))
            path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()

    def script(self, text: str, *, what: str, secret: bool = False) -> list[str]:
        """As SSHClient.script; the places of a stock machine are not on the path."""
        text = text.replace("PATH=$PATH:/usr/sbin:/sbin", ":").replace("/run/", f"{self.folder}/")
        text = text.replace("/etc/", f"{self.folder}/")
        whole = "set -eu\nexport LC_ALL=C\nmain() {\n:\n" + text + "\n}\nmain </dev/null\n"
        env = {"PATH": str(self.bin), "TMPDIR": str(self.folder)}
        done = subprocess.run(
            [self.bin / "bash", "-s"], input=whole, capture_output=True, text=True, env=env, check=False
        )
        if done.returncode:
            told = [*done.stdout.splitlines(), *done.stderr.splitlines()]
            message = f"{what}: status {done.returncode}"
            raise exception.RemoteCommandFailed(message, what, done.returncode, "\n".join(told))
        return done.stdout.splitlines()

    def programs(self) -> Sequence[str]:
        """The first words of the calls."""
        return [call.split()[0] for call in self.calls]
