"""One open file on a node, as `node.ssh.remote_file` gives it to plugins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from starcluster.ssh.lean import paramiko


class RemoteFile:
    """An SFTP file whose content arrives also when the plugin forgets to close it; `with` closes it.

    Each write has been answered by the node before it returns, so there is nothing left to flush at the end. What
    else paramiko's SFTPFile can do it does under the same names.
    """

    def __init__(self, file: paramiko.SFTPFile, name: str, client: object, *, binary: bool = False) -> None:
        """`client` is kept, for a client that nobody has any more closes its connection."""
        self.name = name
        self._file, self._client, self._binary = file, client, binary

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._file, name)

    def write(self, data: str | bytes) -> None:
        self._file.write(_bytes_of(data))
        self._file.flush()

    def writelines(self, lines: Iterable[str | bytes]) -> None:
        """Write all of them in one go: each write waits for the node."""
        self.write(b"".join(map(_bytes_of, lines)))

    def read(self, size: int | None = None) -> Any:
        """The text from here on, or `size` bytes of it; what is no text stays what it was when it is written again."""
        return self._told(self._file.read(size))

    def readline(self, size: int | None = None) -> Any:
        return self._told(self._file.readline(size))

    def readlines(self, sizehint: int | None = None) -> list[Any]:
        """Only a newline ends a line, no form feed and the like."""
        rest = self.read()
        newline = b"\n" if isinstance(rest, bytes) else "\n"
        *lines, last = rest.split(newline)
        return [*(line + newline for line in lines), *([last] if last else [])]

    xreadlines = readlines

    def _told(self, data: str | bytes) -> str | bytes:
        if isinstance(data, str):
            return data.encode() if self._binary else data
        return data if self._binary else data.decode("utf-8", "surrogateescape")

    def __iter__(self) -> Iterator[Any]:
        return iter(self.readlines())

    def chmod(self, mode: int) -> None:
        self._file.chmod(mode)

    def chown(self, uid: int, gid: int) -> None:
        self._file.chown(uid, gid)

    def stat(self) -> paramiko.SFTPAttributes:
        return self._file.stat()

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> RemoteFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _bytes_of(data: str | bytes) -> bytes:
    """Also of text that stands for bytes which are none, as Python 2 plugins read them."""
    return data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
