"""An agent with all its folders under a temporary root, and a metadata service that can be told of notices."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from starcluster.agent import files, processes
from starcluster.agent.places import Places
from tests.leftovers import Guard

LIMIT = 20.0


def until(condition: Callable[[], Any], what: str = "the condition") -> Any:
    """Wait for something to become true; an error when it does not in a long while."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true in {LIMIT} s")


class FakeImds:
    """IMDSv2 on a loopback port: paths in `answers`, 404 for the others; tokens may be made to run out."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.token = "token-1"
        self.status = 200
        self.ahead = 0.0  # seconds that EC2's clock is ahead of this machine's
        imds = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                self._say(200, imds.token)

            def do_GET(self) -> None:
                if self.headers.get("X-aws-ec2-metadata-token") != imds.token:
                    self._say(401, "")
                elif imds.status != 200:
                    self._say(imds.status, "")
                else:
                    text = imds.answers.get(self.path.removeprefix("/latest/meta-data/"))
                    self._say(200 if text is not None else 404, text or "")

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string(time.time() + imds.ahead)

            def _say(self, status: int, text: str) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def notice(self, seconds: float) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.ahead + seconds))
        self.answers["spot/instance-action"] = json.dumps({"action": "terminate", "time": at})

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def imds() -> Iterator[FakeImds]:
    made = FakeImds()
    yield made
    made.close()


# every Python of the agent's reads it when it starts: its wall clock is off by what the file says
_JUMPING = """
import os, time
_right, _file = time.time, os.path.join(os.path.dirname(__file__), "jump")
def _wrong():
    try:
        with open(_file) as told:
            return _right() + float(told.read() or 0)
    except OSError:
        return _right()
time.time = _wrong
"""


class Agent:
    """Speaks to the agent as the driver does: one process a call."""

    def __init__(self, root: Path, imds: str) -> None:
        self.root, self.imds = root, imds
        self.places = Places(str(root))
        self.env = {**os.environ, "STARCLUSTER_AGENT_ROOT": str(root)}
        (root / "home").mkdir()
        (root / "sitecustomize.py").write_text(_JUMPING)
        self.env["PYTHONPATH"] = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
        self._guard = Guard(root)

    def call(self, op: str, **order: Any) -> dict[str, Any]:
        words = [sys.executable, "-m", "starcluster.agent.node", "call", "-"]
        text = json.dumps({"v": 1, "op": op, **order})
        done = subprocess.run(words, env=self.env, input=text, capture_output=True, text=True, timeout=60, check=True)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def start(self, **more: Any) -> dict[str, Any]:
        settings = {
            "name": "mynode",
            "cluster": "mycluster",
            "instance_id": "i-1",
            "agent": "abc",
            "scale": 50,
            "imds": self.imds,
            **more,
        }
        return self.call("start", settings=settings)

    def run(self, command: str, attempt: int = 1, **more: Any) -> dict[str, Any]:
        """Start the command with an own HOME: this machine's login files may be slow, or wait for a lock."""
        environment = {"HOME": str(self.root), **more.pop("environment", {})}
        return self.call("run", attempt=attempt, command=command, environment=environment, **more)

    def report(self) -> dict[str, Any]:
        return dict(self.call("report")["report"])

    def log(self, attempt: int = 1) -> str:
        return Path(self.places.log_file("mynode", attempt)).read_text()

    def status(self, attempt: int = 1) -> dict[str, Any]:
        return files.read_json(self.places.attempt("mynode", attempt) + "/status.json") or {}

    def ended(self, attempt: int = 1) -> dict[str, Any]:
        until(lambda: "ended" in self.status(attempt), f"the end of attempt {attempt}")
        return self.status(attempt)

    def jump(self, seconds: float) -> None:
        """Somebody sets the node's clock; nobody can set the steady one."""
        (self.root / "jump").write_text(str(seconds))

    def fill_disk_for(self, path: str, pid: int) -> None:
        """From now on this process can write the file no more: a folder stands where its draft would."""
        draft = Path(f"{path}.{pid}.new")
        while not draft.is_dir():
            with contextlib.suppress(FileExistsError):  # the draft itself, which is there for a moment
                draft.mkdir(parents=True)

    def pid(self) -> int:
        return int(self.call("hello")["pid"])

    def kill(self) -> None:
        """kill -9 of the agent's daemon."""
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        until(lambda: not processes.is_alive([pid, processes.start_of(pid)]), "the agent's death")

    def close(self) -> None:
        """Nothing of it is left, also when this process is killed before it comes here."""
        self._guard.close()


@pytest.fixture
def agent(tmp_path: Path, imds: FakeImds) -> Iterator[Agent]:
    made = Agent(tmp_path, imds.base)
    yield made
    made.close()
