"""An agent with all its folders under a temporary root, and a metadata service that can be told of notices."""

from __future__ import annotations

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

            def _say(self, status: int, text: str) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def notice(self, seconds: float) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        self.answers["spot/instance-action"] = json.dumps({"action": "terminate", "time": at})

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def imds() -> Iterator[FakeImds]:
    made = FakeImds()
    yield made
    made.close()


class Agent:
    """Speaks to the agent as the driver does: one process a call."""

    def __init__(self, root: Path, imds: str) -> None:
        self.root, self.imds = root, imds
        self.places = Places(str(root))
        self.env = {**os.environ, "STARCLUSTER_AGENT_ROOT": str(root)}
        (root / "home").mkdir()

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

    def pid(self) -> int:
        return int(self.call("hello")["pid"])

    def kill(self) -> None:
        """kill -9 of the agent's daemon."""
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        until(lambda: not processes.is_alive([pid, processes.start_of(pid)]), "the agent's death")

    def close(self) -> None:
        for folder in (self.root / "var/lib/starcluster/mynode").glob("[0-9]*"):
            status = files.read_json(f"{folder}/status.json") or {}
            if status and "ended" not in status:
                pids = processes.members(status["keeper"][0], status["command"][0])
                processes.signal_all([*pids, status["keeper"][0]], signal.SIGKILL)
        self.call("quit")


@pytest.fixture
def agent(tmp_path: Path, imds: FakeImds) -> Iterator[Agent]:
    made = Agent(tmp_path, imds.base)
    yield made
    made.close()
