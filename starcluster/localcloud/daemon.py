"""The daemon of one local cloud.

    python -m starcluster.localcloud.daemon FOLDER [--speed N] [--region NAME] [--owner-pid N]

Serves EC2's API on one port of the loopback and the control socket, and keeps the hosts agent alive. SIGTERM ends
the daemon only: nodes run on and the next daemon finds them. Errors at the start are one JSON line on stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from starcluster.localcloud import presence
from starcluster.localcloud.api import importing
from starcluster.localcloud.api.agentstart import CannotStart, start_agent
from starcluster.localcloud.hosts import probe, room
from starcluster.localcloud.hosts.client import Hosts, HostsError
from starcluster.localcloud.places import Places, default_folder

log = logging.getLogger("daemon")

OWNER_CHECK = 0.5
# moto reads these when it is imported: no images of its own, no headers that invite other origins.
MOTO_SETTINGS = {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false", "MOTO_DISABLE_GLOBAL_CORS": "true"}


def main(argv: list[str] | None = None) -> int:
    """Be the daemon until told to end."""
    options = _parse(argv)
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(name)s %(levelname)s %(message)s", level="INFO")
    try:
        _run(options)
    except CannotStart as error:
        sys.stderr.write(json.dumps({"error": str(error), "hint": error.hint}) + "\n")
        return 1
    return 0


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="daemon", description="Runs one local cloud.")
    parser.add_argument("folder", type=Path, nargs="?", default=default_folder())
    parser.add_argument("--speed", type=float, help="divides the cloud's own durations (30; 1 is like EC2)")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--owner-pid", type=int, help="end, with all nodes, when this process is dead")
    parser.add_argument("--packages", action="store_true", help="let nodes install packages through the host")
    parser.add_argument("--expose", action="store_true", help="listen on 127.77.x.y:22 for every node")
    options = parser.parse_args(argv)
    if options.speed is not None and not options.speed > 0:
        parser.error("--speed must be greater than 0")
    return options


def _run(options: argparse.Namespace) -> None:
    lacks = probe.missing()
    if lacks:
        raise CannotStart(probe.message(lacks))
    places = Places(options.folder)
    try:
        held = presence.hold(places)
    except OSError as error:
        raise CannotStart(
            f"cannot make the local cloud's folder: {error}", "choose another STARCLUSTER_LOCAL"
        ) from None
    try:
        presence.sweep()
        with _only_one(places):
            Daemon(places, options).run()
    except OSError as error:
        full = room.trouble(places.folder) if error.errno == errno.ENOSPC else None
        raise CannotStart(full or str(error), "make room there" if full else "") from error
    finally:
        presence.leave(places, held)


@contextlib.contextmanager
def _only_one(places: Places) -> Any:
    """One daemon a folder; the lock goes with the process."""
    with open(os.open(places.lock, os.O_RDWR | os.O_CREAT, 0o600), "r+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"a local cloud is running already in {places.folder}") from None
        yield


class Daemon:
    """Everything that runs, in the order of its start."""

    def __init__(self, places: Places, options: argparse.Namespace) -> None:
        self._places = places
        self._options = options
        self._hosts = Hosts(places.agent_socket)
        self._ended = threading.Event()
        self._take_down = False

    def run(self) -> None:
        """Start, wait for the end, end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._ended.set())
        os.environ.update(MOTO_SETTINGS)  # before the thread: an exec reads the environment, which must not move then
        started = threading.Thread(target=self._start_agent, name="agent-start")
        started.start()  # the agent starts while moto is being imported
        with importing.quickly():
            from starcluster.localcloud.api import service
        started.join()
        if self._agent_error is not None:
            raise self._agent_error
        try:
            running = service.start(self._places, self._hosts, self._options, self._agent_pid, self._down)
        except CannotStart:
            self._quit_idle_hosts()
            raise
        log.info("up at %s", running.endpoint)
        try:
            self._wait()
        finally:
            running.stop()
            if self._take_down:
                service.forget_openings(self._places)
                self._quit_hosts()
            self._places.cloud_json.unlink(missing_ok=True)
        log.info("ended")

    _agent_pid = 0
    _agent_error: CannotStart | None = None

    def _start_agent(self) -> None:
        try:
            self._agent_pid = start_agent(self._places, self._hosts, self._options.owner_pid)
        except CannotStart as error:
            self._agent_error = error
        except OSError as error:
            self._agent_error = CannotStart(f"the hosts agent could not be started: {error}")

    def _down(self) -> None:
        self._take_down = True
        self._ended.set()

    def _wait(self) -> None:
        owner = self._options.owner_pid
        while not self._ended.wait(OWNER_CHECK):
            if owner is not None and not _lives(owner):
                log.info("the owner, process %d, is dead", owner)
                self._down()

    def _quit_idle_hosts(self) -> None:
        """Leave no agent behind a failed start, unless nodes live under it."""
        with contextlib.suppress(HostsError):
            if not self._hosts.ping()["nodes"]:
                self._quit_hosts()

    def _quit_hosts(self) -> None:
        try:
            self._hosts.quit()
        except HostsError as error:
            log.warning("the hosts agent: %s", error)
        deadline = time.monotonic() + OWNER_CHECK * 20
        while time.monotonic() < deadline and _lives(self._agent_pid):
            time.sleep(0.02)


def _lives(pid: int) -> bool:
    """Whether a process runs (one that has ended and waits to be buried does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


if __name__ == "__main__":
    sys.exit(main())
