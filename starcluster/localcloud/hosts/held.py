"""The agent's view of the holder: starting one, joining its namespaces, asking it."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from starcluster.localcloud import parts
from starcluster.localcloud.hosts import syscalls, wire
from starcluster.localcloud.hosts.plan import HOLDER_SOCKET, PART
from starcluster.localcloud.hosts.spec import HostsError
from starcluster.localcloud.hosts.watch import process_lives
from starcluster.localcloud.places import Places

_START_LIMIT = 30.0
_PAUSE = 0.01


class HolderClient:
    """Requests to the holder of one cloud; safe to use from several threads."""

    def __init__(self, places: Places) -> None:
        self.path = places.sockets / HOLDER_SOCKET

    def ask(self, op: str, fds: tuple[int, ...] = (), **arguments: Any) -> tuple[dict[str, Any], list[int]]:
        """One request. HostsError when it fails."""
        try:
            answer, received = wire.ask(self.path, {"op": op, **arguments}, fds, timeout=30)
        except OSError as error:
            raise HostsError(f"the holder of this cloud does not answer: {error}") from error
        if "error" in answer:
            raise HostsError(str(answer["error"]))
        return answer, received

    def boot(self, plan: dict[str, Any], *, go: int, ready: int, console: int) -> int:
        """Fork a node; its pid."""
        return int(self.ask("boot", (go, ready, console), plan=plan)[0]["pid"])

    def nodes(self) -> dict[str, tuple[int, int | None]]:
        """Per instance id: the last pid 1 and its exit status (None while it runs)."""
        known = self.ask("nodes")[0]["nodes"]
        return {one: (int(child["pid"]), child["status"]) for one, child in known.items()}

    def keep(self, name: str, fd: int) -> None:
        """Have a copy of the descriptor kept for later agents."""
        self.ask("keep", (fd,), name=name)

    def take(self, name: str) -> int | None:
        """A copy of a kept descriptor, if there is one."""
        received = self.ask("take", name=name)[1]
        return received[0] if received else None

    def drop(self, name: str) -> None:
        """Have a kept descriptor closed."""
        self.ask("drop", name=name)

    def names(self) -> list[str]:
        """The names of all kept descriptors."""
        return list(self.ask("names")[0]["names"])

    def pid(self) -> int:
        """The holder's process id, by its socket's credentials."""
        with wire.dialled(self.path, 5) as sock:
            return int.from_bytes(sock.getsockopt(1, 17, 12)[:4], sys.byteorder)  # SOL_SOCKET, SO_PEERCRED


def part(places: Places, client: HolderClient) -> int:
    """The cloud's part of the public addresses, which its holder keeps."""
    for name in client.names():
        if name.startswith(PART):
            return int(name.removeprefix(PART))
    try:
        number, fd = parts.take(places.folder)
    except parts.NoPartFree as error:
        raise HostsError(str(error)) from error
    try:
        client.keep(f"{PART}{number}", fd)
    finally:
        os.close(fd)
    return number


def join(places: Places, *, owner_pid: int | None) -> tuple[HolderClient, bool]:
    """Enter the cloud's namespaces, with a new holder where there is none. True if the holder was there before.

    Must be called while the process has one thread.
    """
    client = HolderClient(places)
    _end_doomed(client)
    found = True
    try:
        pid = client.pid()
    except OSError:
        found = False
        pid = _start(places, client, owner_pid)
    for name in ("net", "mnt"):
        fd = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            syscalls.setns(fd)
        finally:
            os.close(fd)
    os.chdir("/")
    return client, found


def _end_doomed(client: HolderClient) -> None:
    """A holder whose owner is dead is about to end: it does so now, that nothing is built on it."""
    try:
        pid, owner = client.pid(), client.ask("owner")[0]["pid"]
        if owner is None or process_lives(int(owner)):
            return
        client.ask("quit")
    except (OSError, HostsError):  # there is none
        return
    end = time.monotonic() + _START_LIMIT
    while process_lives(pid) and time.monotonic() < end:
        time.sleep(_PAUSE)


def _start(places: Places, client: HolderClient, owner_pid: int | None) -> int:
    command = [sys.executable, "-m", "starcluster.localcloud.hosts.holder", str(places.folder)]
    if owner_pid is not None:
        command += ["--owner-pid", str(owner_pid)]
    places.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (places.logs / "agent.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, close_fds=True
        )
    end = time.monotonic() + _START_LIMIT
    while process.poll() is None and time.monotonic() < end:
        try:
            return client.pid()
        except OSError:
            time.sleep(_PAUSE)
    process.kill()
    process.wait()
    raise HostsError(f"the cloud's holder did not start; {_last_line(places.logs / 'agent.log')}")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "its log is empty"
