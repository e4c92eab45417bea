"""Starts the hosts agent of a cloud, or finds the one that runs.

Imports nothing of moto: it runs beside that import.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Protocol

from starcluster.localcloud.hosts.client import HostsError
from starcluster.localcloud.hosts.watch import process_lives
from starcluster.localcloud.places import Places

log = logging.getLogger(__name__)

START_LIMIT = 60.0

# Agents started by this process: kept, so that a dead one is buried when the next is started.
_started: list[subprocess.Popen[bytes]] = []


class Pinged(Protocol):
    """The hosts' client, as far as it is needed here."""

    def ping(self) -> dict[str, Any]: ...


class CannotStart(Exception):
    """The local cloud cannot come up; `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def start_agent(places: Places, hosts: Pinged, owner_pid: int | None) -> int:
    """The pid of the cloud's agent: the one that runs, or a new one."""
    try:
        return int(_lasting(hosts)["pid"])
    except HostsError:
        log.info("starting the hosts agent")
    _started[:] = [child for child in _started if child.poll() is None]
    log_file = places.logs / "agent.log"
    words = [sys.executable, "-m", "starcluster.localcloud.hosts.agent", str(places.folder)]
    words += ["--owner-pid", str(owner_pid)] if owner_pid else []
    with open(os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as stream:
        begins = stream.tell()
        child = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True, cwd="/"
        )
    _started.append(child)
    return _wait_agent(child, hosts, log_file, begins)


def _is_doomed(answer: dict[str, Any]) -> bool:
    """Whether the agent's owner is dead."""
    return answer.get("owner") is not None and not process_lives(int(answer["owner"]))


def _lasting(hosts: Pinged) -> dict[str, Any]:
    """What an agent answers whose owner lives; one whose owner is dead is about to end, and has time to."""
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        answer = hosts.ping()
        if not _is_doomed(answer):
            return answer
        time.sleep(0.02)
    raise HostsError("the hosts agent outlives its owner")


def _wait_agent(child: subprocess.Popen[bytes], hosts: Pinged, log_file: Path, begins: int) -> int:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        try:
            answer = hosts.ping()
            if not _is_doomed(answer):
                return int(answer["pid"])
        except HostsError:
            if child.poll() is not None:
                raise CannotStart(_last_line(log_file, begins)) from None
        time.sleep(0.02)
    child.terminate()
    child.wait()
    raise CannotStart(f"the hosts agent did not answer within {START_LIMIT:g} s (see {log_file})")


def _last_line(log_file: Path, begins: int) -> str:
    with log_file.open("rb") as stream:
        stream.seek(begins)
        lines = stream.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"the hosts agent ended without a word (see {log_file})"
