"""An SFTP server for one session: asyncssh's, run in a forked child that is the user already.

The child reads its standard input and writes its standard output and waits for both; asyncssh's coroutines
then never really wait and need no event loop. When the client has closed its side the child ends with 0,
which is what OpenSSH's scp wants to see.
"""

import asyncio
import os

import asyncssh
from asyncssh.logging import logger as asyncssh_logger
from asyncssh.sftp import run_sftp_server

CHUNK = 1 << 18
VERSION = 3


class _Reader:
    """Standard input in the shape of asyncssh's reader."""

    logger = asyncssh_logger

    def __init__(self, client_version: str) -> None:
        self._client_version = client_version
        self._buffer = bytearray()

    async def readexactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            data = os.read(0, CHUNK)
            if not data:
                raise asyncio.IncompleteReadError(bytes(self._buffer), size)
            self._buffer += data
        taken = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return taken

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Asked for the client's name only: OpenSSH and paramiko swap the arguments of SYMLINK."""
        return self._client_version if name == "client_version" else default


class _Writer:
    """Standard output in the shape of asyncssh's writer and its channel."""

    logger = asyncssh_logger

    def __init__(self) -> None:
        self.channel = self
        self._closed = False

    def is_closing(self) -> bool:
        return self._closed

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]

    def close(self) -> None:
        self._closed = True

    def get_environment(self) -> dict[str, str]:
        return {}


def serve_sftp(client_version: str) -> int:
    """Serve on standard input and output until the client is done; 0 is the child's exit status."""
    writer = _Writer()
    work = run_sftp_server(asyncssh.SFTPServer(writer), _Reader(client_version), writer, VERSION)
    try:
        work.send(None)
    except StopIteration:
        return 0
    raise RuntimeError("the SFTP server waited for an event loop")
