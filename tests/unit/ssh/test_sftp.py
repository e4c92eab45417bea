"""Errors of files on nodes say which file of which node."""

from __future__ import annotations

import errno

import pytest

from starcluster.ssh.sftp import TellingSftp


class Files:
    sock = "a channel"

    def mkdir(self, path: str, mode: int) -> None:
        raise OSError("File exists")

    def get(self, remotepath: str, localpath: str) -> None:
        raise OSError(errno.ENOENT, "No such file")

    def stat(self, path: str) -> int:
        return 7


def test_the_error_stays_what_it_was_and_tells_more() -> None:
    sftp = TellingSftp(Files(), "node001")  # type: ignore[arg-type]
    assert (sftp.stat("/x"), sftp.sock) == (7, "a channel")
    with pytest.raises(OSError, match="File exists") as caught:
        sftp.mkdir("/mnt/x", 0o755)
    assert caught.value.args == ("File exists",)
    assert caught.value.__notes__ == ["mkdir /mnt/x on node001"]
    with pytest.raises(FileNotFoundError) as missing:
        sftp.get("/far", localpath="near")
    assert missing.value.errno == errno.ENOENT
    assert missing.value.__notes__ == ["get /far near on node001"]
