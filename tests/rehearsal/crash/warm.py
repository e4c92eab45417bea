"""`starcluster` without the second that its imports take: each command is forked from a process that has done them.

What runs is the program's own main(), in a process of its own, which may be killed like any other.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from tests.rehearsal.stage import ROOT

LIMIT = 90.0


class Running:
    """A command; what it says, on both of its outputs, is in a file."""

    def __init__(self, pid: int, said: Path, server: IO[bytes]) -> None:
        self._pid, self._said, self._server = pid, said, server
        self._status: int | None = None

    @property
    def text(self) -> str:
        return self._said.read_text() if self._said.exists() else ""

    def poll(self, limit: float = 0.0) -> int | None:
        """Its exit status; None while it runs."""
        if self._status is None and select.select([self._server], [], [], limit)[0]:
            self._status = int(self._server.readline())
        return self._status

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self._pid, signal.SIGKILL)
            self.poll(LIMIT)

    def ends(self, limit: float = LIMIT) -> int:
        """Its exit status, waited for; AssertionError when it does not come."""
        status = self.poll(limit)
        if status is None:
            self.kill()
            raise AssertionError(f"it did not end in {limit:.0f} s\n{self.text}")
        return status


class Warm:
    """Starts commands, one at a time."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        self._folder, self._count = folder, 0
        self._last: Running | None = None
        self._server = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            env=env,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def start(self, *words: str) -> Running:
        if self._last is not None:
            self._last.kill()  # of a test that failed while it ran
        self._count += 1
        said = self._folder / f"said-{self._count}"
        requests, answers = self._server.stdin, self._server.stdout
        assert requests is not None
        assert answers is not None
        requests.write(json.dumps([str(said), *words]).encode() + b"\n")
        self._last = Running(int(answers.readline()), said, answers)
        return self._last

    def close(self) -> None:
        self._server.communicate()


def _warm_up() -> None:
    """Import all that a verb imports, and read EC2's model once for all."""
    import botocore.session
    from botocore.loaders import JSONFileLoader

    import starcluster.app
    import starcluster.cluster.drives.keeping
    import starcluster.commands.drive
    import starcluster.commands.sshnode
    import starcluster.ssh.client  # noqa: F401

    read, known = JSONFileLoader.load_file, dict[str, Any]()

    def load_file(loader: Any, path: str) -> Any:
        if path not in known:
            known[path] = read(loader, path)
        return known[path]

    JSONFileLoader.load_file = load_file
    session = botocore.session.Session()
    session.create_client("ec2", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")


def _serve() -> None:
    _warm_up()
    for line in sys.stdin:
        said, *words = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os._exit(_command(said, words))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _command(said: str, words: list[str]) -> int:
    from starcluster.cli import main

    with open(os.devnull) as nothing, open(said, "w") as output:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    try:
        return main(words)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    _serve()
