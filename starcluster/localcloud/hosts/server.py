"""The agent's socket: a thread a connection, a request a connection."""

import logging
import os
import socket
import threading
from pathlib import Path
from typing import Any

from starcluster.localcloud.hosts import wire
from starcluster.localcloud.hosts.cloud import Cloud
from starcluster.localcloud.hosts.spec import HostsError

log = logging.getLogger("server")

_KINDS = {ConnectionRefusedError: "refused", TimeoutError: "timeout", HostsError: "hosts"}


class Server:
    """Answers clients until it is stopped."""

    def __init__(self, path: Path, cloud: Cloud) -> None:
        self._path = path
        self._cloud = cloud
        self._stopped = threading.Event()
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        path.chmod(0o600)
        self._socket.listen(256)
        threading.Thread(target=self._accept, daemon=True, name="accept").start()

    def serve_until_stopped(self) -> None:
        """Returns after `stop`."""
        self._stopped.wait()

    def stop(self) -> None:
        """Take no more requests."""
        self._path.unlink(missing_ok=True)
        self._stopped.set()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True, name="request").start()

    def _answer(self, connection: socket.socket) -> None:
        fds: list[int] = []
        message: dict[str, Any] | None = None
        with connection:
            try:
                message, _ = wire.receive(connection)
                if message is None:
                    return
                answer, fds = self._do(message)
                wire.send(connection, answer, fds)
            except (OSError, ValueError) as error:
                log.info("a client went away: %s", error)
            finally:
                for fd in fds:
                    os.close(fd)
            if message is not None and message.get("op") == "quit" and self._cloud.has_ended:
                # only who asked for the end may stop: an earlier request's thread could be quicker than the answer
                self.stop()

    def _do(self, message: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
        operation = getattr(self._cloud, f"do_{message.get('op')}", None)
        if operation is None:
            return {"error": f"the agent has no operation {message.get('op')}", "kind": "hosts"}, []
        try:
            answer: dict[str, Any] | int = operation(**message.get("args", {}))
        except Exception as error:  # a request's edge: the client hears of it, the log has the place
            kind = next((name for one, name in _KINDS.items() if isinstance(error, one)), "hosts")
            if not isinstance(error, HostsError | ConnectionRefusedError | TimeoutError):
                log.exception("%s failed", message.get("op"))
            return {"error": str(error) or type(error).__name__, "kind": kind}, []
        return ({}, [answer]) if isinstance(answer, int) else (answer, [])
