"""The process that holds a local cloud together while agents come and go.

    python -m starcluster.localcloud.hosts.holder FOLDER [--owner-pid N]

It owns the cloud's network and mount namespaces, is the parent of every node, and keeps descriptors (loop devices,
the nodes' helper socket, readiness pipes) that outlive an agent. It has one thread and the nodes' modules loaded, so
that forking it is cheap and safe. When it dies its nodes die (PR_SET_PDEATHSIG) and the kernel frees the devices:
whatever kills the cloud, nothing stays behind.
"""

import argparse
import contextlib
import gc
import logging
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from starcluster.localcloud import parts, presence
from starcluster.localcloud.hosts import init, sshd, syscalls, wire
from starcluster.localcloud.hosts.plan import HELPER_SOCKET, HOLDER_SOCKET, PART, Plan
from starcluster.localcloud.hosts.scratch import clear_run
from starcluster.localcloud.hosts.watch import process_lives
from starcluster.localcloud.places import Places

log = logging.getLogger("holder")

_OWNER_CHECK = 0.5
_OWNER_GRACE = 3.0  # seconds that the agent has to clear up by itself after the owner's death
_NAMESPACES = (
    syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWNET
)


@dataclass(kw_only=True)
class Child:
    """A node's pid 1; `status` is its exit status once it has ended, negative for a signal."""

    pid: int
    status: int | None = None


class Holder:
    """Answers the agent's requests, one at a time."""

    def __init__(self, places: Places, owner: int | None = None) -> None:
        self.places = places
        self.owner = owner
        self.kept: dict[str, int] = {}
        self.children: dict[str, Child] = {}
        self.quitting = False

    def answer(self, message: dict[str, Any], fds: list[int]) -> tuple[dict[str, Any], list[int]]:
        """Do one request; `fds` came with it and are closed afterwards unless they are kept."""
        operation = getattr(self, f"do_{message['op']}")
        result: tuple[dict[str, Any], list[int]] = operation(message, fds)
        return result

    def do_boot(self, message: dict[str, Any], fds: list[int]) -> tuple[dict[str, Any], list[int]]:
        """Fork a node. Descriptors: the pipe that says go, the readiness pipe, the console."""
        plan = Plan.of(message["plan"])
        pid = fork_node(plan, fds)
        self.children[plan.instance_id] = Child(pid=pid)
        return {"pid": pid}, []

    def do_nodes(self, message: dict[str, Any], fds: list[int]) -> tuple[dict[str, Any], list[int]]:
        """Every node ever forked for that id: its last pid, and how it ended."""
        self.reap()
        known = {one: {"pid": child.pid, "status": child.status} for one, child in self.children.items()}
        return {"nodes": known}, []

    def do_keep(self, message: dict[str, Any], fds: list[int]) -> tuple[dict[str, Any], list[int]]:
        """Keep a descriptor under a name."""
        self.do_drop(message, [])
        self.kept[message["name"]] = os.dup(fds[0])
        return {}, []

    def do_take(self, message: dict[str, Any], fds: list[int]) -> tuple[dict[str, Any], list[int]]:
        """A copy of a kept descriptor."""
        fd = self.kept.get(message["name"])
        return ({"found": False}, []) if fd is None else ({"found": True}, [fd])

    def do_drop(self, message: dict[str, Any], fds: list[int]) -> tuple[dict[str, Any], list[int]]:
        """Close a kept descriptor."""
        fd = self.kept.pop(message["name"], None)
        if fd is not None:
            os.close(fd)
        return {}, []

    def do_names(self, message: dict[str, Any], fds: list[int]) -> tuple[dict[str, Any], list[int]]:
        """The names of all kept descriptors."""
        return {"names": sorted(self.kept)}, []

    def do_owner(self, message: dict[str, Any], fds: list[int]) -> tuple[dict[str, Any], list[int]]:
        """With whose death we end."""
        return {"pid": self.owner}, []

    def do_quit(self, message: dict[str, Any], fds: list[int]) -> tuple[dict[str, Any], list[int]]:
        """End after the answer, the remaining nodes with us."""
        self.quitting = True
        return {}, []

    def give_part_back(self) -> None:
        """The cloud's public addresses are free for others."""
        for name in self.kept:
            if name.startswith(PART):
                parts.give_back(int(name.removeprefix(PART)))

    def reap(self) -> None:
        """Note which children have ended; strangers that were left to us are buried, too."""
        while True:
            try:
                pid, raw = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self.children.values():
                if child.pid == pid:
                    child.status = os.waitstatus_to_exitcode(raw)

    def kill_nodes(self) -> None:
        """Kill every node and wait until all are gone."""
        self.reap()
        for child in self.children.values():
            if child.status is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGKILL)
        while any(child.status is None for child in self.children.values()):
            time.sleep(0.005)
            self.reap()


def fork_node(plan: Plan, fds: list[int]) -> int:
    """Fork a child into new namespaces, where it is pid 1; returns its pid here.

    A process in between makes the namespaces, since the first child born after unshare(CLONE_NEWPID) is the pid 1.
    """
    told, tell = os.pipe()
    between = os.fork()
    if between == 0:
        _be_between(plan, fds, tell)
    os.close(tell)
    with os.fdopen(told) as stream:
        line = stream.readline()
    os.waitpid(between, 0)
    if not line:
        raise OSError("the node could not be forked, see the agent's log")
    return int(line)


def _be_between(plan: Plan, fds: list[int], tell: int) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        syscalls.unshare(_NAMESPACES)
        pid = os.fork()
        if pid == 0:
            init.run(plan, go_fd=fds[0], ready_fd=fds[1], console_fd=fds[2])
        os.write(tell, f"{pid}\n".encode())
    except Exception:
        log.exception("node %s was not forked", plan.instance_id)
    finally:
        os._exit(0)


def _listening(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    path.chmod(0o600)
    sock.listen(256)
    return sock


def serve(holder: Holder, control: socket.socket, owner_pid: int | None) -> None:
    """Answer until told to quit, or until the owner is dead and no agent has cleared up."""
    wakeup, alarm = socket.socketpair()
    for end in (wakeup, alarm):
        end.setblocking(False)
    signal.set_wakeup_fd(alarm.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    selector.register(wakeup, selectors.EVENT_READ)
    with selector, wakeup, alarm:
        _serve_until(holder, control, wakeup, selector, owner_pid)
        signal.set_wakeup_fd(-1)


def _serve_until(
    holder: Holder,
    control: socket.socket,
    wakeup: socket.socket,
    selector: selectors.BaseSelector,
    owner_pid: int | None,
) -> None:
    deadline: float | None = None
    while not holder.quitting:
        for key, _ in selector.select(_OWNER_CHECK):
            if key.fileobj is control:
                _serve_one(holder, control)
            else:
                _drain(wakeup)
        holder.reap()
        if owner_pid is not None and deadline is None and not process_lives(owner_pid):
            deadline = time.monotonic() + _OWNER_GRACE
        if deadline is not None and time.monotonic() > deadline:
            return


def _drain(sock: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        sock.recv(4096)


def _serve_one(holder: Holder, control: socket.socket) -> None:
    connection, _ = control.accept()
    with connection:
        connection.settimeout(5)
        fds: list[int] = []
        try:
            message, fds = wire.receive(connection)
            if message is None:
                return
            try:
                answer, sent = holder.answer(message, fds)
            except (OSError, KeyError, ValueError) as error:
                answer, sent = {"error": f"{type(error).__name__}: {error}"}, []
            wire.send(connection, answer, sent)
        except OSError as error:
            log.warning("a request broke off: %s", error)
        finally:
            for fd in fds:
                os.close(fd)


def main(argv: list[str] | None = None) -> int:
    """Be the holder of the cloud in FOLDER."""
    parser = argparse.ArgumentParser(prog="holder", description="Keeps one local cloud's namespaces and nodes.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--owner-pid", type=int)
    options = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(name)s %(levelname)s %(message)s", level="INFO")
    places = Places(options.folder)
    held = presence.hold(places)
    os.chdir("/")
    syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET)
    syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    sshd.preload()
    gc.collect()
    gc.freeze()
    holder = Holder(places, options.owner_pid)
    helper = _listening(places.sockets / HELPER_SOCKET)
    (places.sockets / HELPER_SOCKET).chmod(0o666)  # for every user of a node; on the host its directory is 0700
    holder.kept["helper"] = helper.fileno()
    with helper, _listening(places.sockets / HOLDER_SOCKET) as control:
        serve(holder, control, options.owner_pid)
    holder.kill_nodes()
    for name in (HOLDER_SOCKET, HELPER_SOCKET):
        (places.sockets / name).unlink(missing_ok=True)
    holder.give_part_back()
    clear_run(places, held)
    return 0


if __name__ == "__main__":
    sys.exit(main())
