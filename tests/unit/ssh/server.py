"""An SSH server in this process, over a socket pair: what it answers is a table; no network, no daemon."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

import paramiko

Answer = tuple[int, bytes, bytes]


class FakeServer(paramiko.ServerInterface):
    """Runs nothing: `answer(command, stdin)` says what each command returns."""

    def __init__(self, answer: Callable[[str, bytes], Answer]) -> None:
        self.answer = answer
        self.users: list[str] = []
        self.commands: list[str] = []

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.users.append(username)
        return paramiko.AUTH_SUCCESSFUL if username != "nobody" else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.commands.append(command.decode())
        threading.Thread(target=self._run, args=(channel, command.decode()), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        data = b""
        while block := channel.recv(65536):
            data += block
        status, output, errors = self.answer(command, data)
        with contextlib.suppress(OSError, EOFError):  # the test may be over, and its connection closed
            channel.sendall(output)
            channel.sendall_stderr(errors)
            channel.send_exit_status(status)
            channel.close()


class PairDialer:
    """Every dial is a new connection to the fake server with this host key."""

    def __init__(self, server: FakeServer, host_key: paramiko.PKey) -> None:
        self.server, self.host_key = server, host_key
        self.transports: list[paramiko.Transport] = []

    def dial(self, host: str, port: int, timeout: float) -> socket.socket:
        ours, theirs = socket.socketpair()
        transport = paramiko.Transport(theirs)
        transport.use_compression()  # offers it; the client decides
        transport.add_server_key(self.host_key)
        transport.start_server(event=threading.Event(), server=self.server)
        self.transports.append(transport)
        return ours

    def proxy_command(self) -> str | None:
        return "dial %h %p"

    def close(self) -> None:
        for transport in self.transports:
            transport.close()
