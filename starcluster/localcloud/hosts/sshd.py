"""A node's SSH server, which is the node's pid 1: forked from a process that has loaded all it needs.

`preload()` is called there, before the fork; after pivot_root there is no package directory to import from.
"""

import asyncio
import concurrent.futures
import gc
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import asyncssh

from starcluster.localcloud.hosts.sshd_accounts import Account, UserKeys, authorized_keys, find_account
from starcluster.localcloud.hosts.sshd_children import Reaper
from starcluster.localcloud.hosts.sshd_hostkeys import ensure_host_keys
from starcluster.localcloud.hosts.sshd_preload import preload as preload
from starcluster.localcloud.hosts.sshd_session import Session
from starcluster.localcloud.hosts.sshd_stop import REASONS, Exit, held, stop_everybody, sync_disks

# GCM is the fastest that asyncssh has; OpenSSH's own first choice, chacha20, is left out for that reason
CIPHERS = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr"]
BACKLOG = 1024
PRIVILEGED = 1024
HANG_UP = 0.02  # for the connections to be closed in the loop

log = logging.getLogger("localcloud.sshd")
Result = TypeVar("Result")


class Inline(concurrent.futures.ThreadPoolExecutor):
    """Runs what asyncio gives to threads at once, in place: forking is safe without threads only."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> "concurrent.futures.Future[Result]":
        future: concurrent.futures.Future[Result] = concurrent.futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  an executor hands every error to who asked
            future.set_exception(error)
        return future


class Node:
    """The connections of the server, its children, and the request to end."""

    def __init__(self) -> None:
        self.reaper = Reaper()
        self.connections: set[Any] = set()
        self.ending: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()

    def watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self.reaper.reap)
        for number, reason in REASONS.items():
            loop.add_signal_handler(number, self._end, reason)
        self.reaper.reap()  # those that ended before anybody listened
        earlier = held()
        if earlier is not None:
            self._end(earlier)

    def hang_up(self) -> None:
        """Close the connections, so that clients see the end at once instead of a silent peer."""
        for connection in list(self.connections):
            connection.abort()

    def _end(self, reason: Exit) -> None:
        if not self.ending.done():
            self.ending.set_result(reason)


class Server(asyncssh.SSHServer):  # type: ignore[misc]
    """One connection: who it is, and what it may ask for."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._connection: Any = None

    def connection_made(self, conn: Any) -> None:
        self._connection = conn
        self._node.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._node.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        account = find_account(username)
        self._connection.set_authorized_keys(UserKeys() if account is None else authorized_keys(account))
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def session_requested(self) -> Session | bool:
        account = self._account()
        return Session(self._connection, account, self._node.reaper) if account is not None else False

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        return True

    def server_requested(self, listen_host: str, listen_port: int) -> Any:
        """Remote forwarding listens on the loopback only, as OpenSSH does by default."""
        if 0 < listen_port < PRIVILEGED and not self._is_root():
            return False
        return self._connection.forward_local_port("127.0.0.1", listen_port, listen_host, listen_port)

    def unix_connection_requested(self, dest_path: str) -> bool:
        """Pid 1 would reach the socket with root's rights: for root only."""
        return self._is_root()

    def unix_server_requested(self, listen_path: str) -> bool:
        return self._is_root()

    def _account(self) -> Account | None:
        return find_account(self._connection.get_extra_info("username"))

    def _is_root(self) -> bool:
        account = self._account()
        return account is not None and account.uid == 0


def serve(
    *,
    ready_fd: int,
    boot_seconds: float = 0.0,
    host_key_dir: str = "/etc/ssh",
    address: str = "0.0.0.0",
    port: int = 22,
) -> NoReturn:
    """Be the node's pid 1: serve SSH, reap, and on SIGTERM, SIGINT or SIGUSR1 end the node in order.

    Writes b"u" to `ready_fd` and closes it once logins are accepted, `boot_seconds` from now at the earliest.
    Exit status: 0 after SIGTERM, 10 after SIGINT (reboot), 11 after SIGUSR1 (powered off from inside).
    """
    gc.freeze()  # children that are forked do not touch, hence not copy, what is loaded
    loop = asyncio.new_event_loop()
    loop.set_default_executor(Inline())
    reason = loop.run_until_complete(_serve(ready_fd, boot_seconds, Path(host_key_dir), address, port))
    os._exit(reason)


async def _serve(ready_fd: int, boot_seconds: float, host_key_dir: Path, address: str, port: int) -> Exit:
    node = Node()
    node.watch_signals()
    done, _ = await asyncio.wait([node.ending], timeout=boot_seconds)
    if not done:
        listener = await _listen(node, host_key_dir, address, port)
        os.write(ready_fd, b"u")
        os.close(ready_fd)
        await node.ending
        listener.close()
    await stop_everybody(node.reaper, node.hang_up)
    await asyncio.sleep(HANG_UP)
    sync_disks()
    return node.ending.result()


async def _listen(node: Node, host_key_dir: Path, address: str, port: int) -> Any:
    return await asyncssh.listen(
        address,
        port,
        backlog=BACKLOG,
        server_factory=lambda: Server(node),
        server_host_keys=[str(path) for path in ensure_host_keys(host_key_dir)],
        encryption_algs=CIPHERS,
        encoding=None,
        line_editor=False,
        agent_forwarding=True,
        x11_forwarding=False,
        gss_host=None,
    )
