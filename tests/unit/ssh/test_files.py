"""What a node refuses says of which file, and on which node; SFTP's own errors do not."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import paramiko
import pytest

from starcluster.ssh.files import RemoteFiles


class Refuses:
    """paramiko's client, whose every call fails as SFTP tells it."""

    def __init__(self, error: Callable[[], OSError]) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        def refuse(*_: object) -> NoReturn:
            raise self._error()

        return refuse


class Files(RemoteFiles):
    _label = "node001"

    def __init__(self, error: Callable[[], OSError]) -> None:
        self._refuses = Refuses(error)

    @property
    def sftp(self) -> Any:
        return self._refuses


def missing() -> OSError:
    return OSError(errno.ENOENT, "No such file")


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("remote_file", ("/no/x", "w")),
        ("stat", ("/no/x",)),
        ("lstat", ("/no/x",)),
        ("ls", ("/no/x",)),
        ("mkdir", ("/no/x",)),
        ("unlink", ("/no/x",)),
        ("chmod", (0o600, "/no/x")),
        ("chown", (0, 0, "/no/x")),
        ("put", (__file__, "/no/x")),
    ],
)
def test_the_file_and_the_node_are_named(method: str, words: tuple[Any, ...]) -> None:
    with pytest.raises(FileNotFoundError, match=r"No such file: 'node001:/no/x'"):
        getattr(Files(missing), method)(*words)


def test_an_error_without_a_number_names_them_too() -> None:
    with pytest.raises(OSError, match=r"^Failure: node001:/full/x$"):
        Files(lambda: OSError("Failure")).remote_file("/full/x")


def test_a_local_file_keeps_its_name(tmp_path: Path) -> None:
    error = OSError(errno.EACCES, "Permission denied", "/here")
    with pytest.raises(PermissionError, match="'/here'"):
        Files(lambda: error).stat("/there")


def test_a_failure_to_make_a_folder_may_be_ignored() -> None:
    Files(missing).mkdir("/no/x", ignore_failure=True)


def test_a_lost_connection_stays_what_it_is() -> None:
    class Lost(Files):
        @property
        def sftp(self) -> Any:
            raise paramiko.SSHException("gone")

    with pytest.raises(paramiko.SSHException, match="gone"):
        Lost(missing).stat("/x")
