"""Files on a node through SFTP: the part of SSHClient that plugins use to write configuration."""

from __future__ import annotations

import contextlib
import glob as local_glob
import os
import posixpath
import re
import shlex
import stat as stat_module
import weakref
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.ssh.lean import paramiko
from starcluster.ssh.remotefile import RemoteFile

if TYPE_CHECKING:

    class _Base:
        @property
        def sftp(self) -> paramiko.SFTPClient: ...
        def execute(self, command: str, *, ignore_exit_status: bool = False) -> list[str] | None: ...
else:
    _Base = object


class RemoteFiles(_Base):
    def remote_file(self, file: str, mode: str = "w") -> RemoteFile:
        """Open a file on the node; it exists from here on when opened for writing. With `b` in the mode it is bytes."""
        opened = RemoteFile(self.sftp.open(file, mode), file, self, binary="b" in mode)
        self._left_open.add(opened)
        return opened

    @cached_property
    def _left_open(self) -> weakref.WeakSet[RemoteFile]:
        return weakref.WeakSet()

    def close_files(self) -> None:
        """Close what remote_file has opened and nobody has closed."""
        for opened in list(self._left_open):
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                opened.close()
        self._left_open.clear()

    @property
    def scp(self) -> Scp:
        """Copies under the names that the scp module gave them."""
        return Scp(self)

    def path_exists(self, path: str) -> bool:
        return self._stat(path) is not None

    def lpath_exists(self, path: str) -> bool:
        """Like path_exists, but a dangling link counts too."""
        try:
            self.sftp.lstat(path)
        except OSError:
            return False
        return True

    def _stat(self, path: str) -> paramiko.SFTPAttributes | None:
        try:
            return self.sftp.stat(path)
        except OSError:
            return None

    def _is(self, path: str, kind: int) -> bool:
        found = self._stat(path)
        return found is not None and stat_module.S_IFMT(found.st_mode or 0) == kind

    def isdir(self, path: str) -> bool:
        return self._is(path, stat_module.S_IFDIR)

    def isfile(self, path: str) -> bool:
        return self._is(path, stat_module.S_IFREG)

    def stat(self, path: str) -> paramiko.SFTPAttributes:
        return self.sftp.stat(path)

    def lstat(self, path: str) -> paramiko.SFTPAttributes:
        return self.sftp.lstat(path)

    def ls(self, path: str) -> list[str]:
        """Whole paths of what is in a folder, sorted."""
        return sorted(posixpath.join(path, name) for name in self.sftp.listdir(path))

    def glob(self, pattern: str) -> list[str]:
        """Whole paths that match, as the node's shell sees them; [] when none does."""
        show = 'if [ -e "$path" ] || [ -L "$path" ]; then printf \'%s\\n\' "$path"; fi'
        script = f"for path in {_shell_pattern(pattern)}; do {show}; done"
        return self.execute(script, ignore_exit_status=True) or []

    def mkdir(self, path: str, mode: int = 0o755, ignore_failure: bool = False) -> None:
        try:
            self.sftp.mkdir(path, mode)
        except OSError:
            if not ignore_failure:
                raise

    def makedirs(self, path: str, mode: int = 0o755) -> None:
        """Make the folder and the ones above it; one that exists is as good."""
        head = posixpath.dirname(path.rstrip("/"))
        if head and head != "/" and not self.isdir(head):
            self.makedirs(head, mode)
        if not self.isdir(path):
            self.sftp.mkdir(path, mode)

    def unlink(self, path: str) -> None:
        self.sftp.unlink(path)

    def chmod(self, mode: int, path: str) -> None:
        self.sftp.chmod(path, mode)

    def chown(self, uid: int, gid: int, path: str) -> None:
        self.sftp.chown(path, uid, gid)

    def get_remote_file_lines(self, remote_file: str, regex: str | None = None, matching: bool = True) -> list[str]:
        """Lines of the file, with their newlines; only those that match `regex` (or do not)."""
        with self.remote_file(remote_file, "r") as file:
            lines = file.readlines()
        if regex is None:
            return lines
        return [line for line in lines if bool(re.search(regex, line)) == matching]

    def remove_lines_from_file(self, remote_file: str, regex: str) -> None:
        """Write the file without the lines that match; no `regex` means none of them."""
        if not regex:
            return
        kept = self.get_remote_file_lines(remote_file, regex, matching=False)
        with self.remote_file(remote_file, "w") as file:
            file.writelines(kept)

    def load_remote_rsa_key(self, remote_filename: str) -> paramiko.RSAKey:
        with self.sftp.open(remote_filename) as file:
            return paramiko.RSAKey.from_private_key(file)

    def put(self, localpaths: str | Sequence[str], remotepath: str = ".") -> None:
        """Copy files and whole folders to the node; several sources need a folder to go to."""
        sources = [localpaths] if isinstance(localpaths, str) else list(localpaths)
        if len(sources) > 1 and not self.isdir(remotepath):
            raise exception.SCPException(f"{remotepath} is not a folder on the node")
        for source in sources:
            if not os.path.exists(source):
                raise exception.SCPException(f"{source} does not exist")
            name = os.path.basename(source.rstrip("/"))
            self._put(source, posixpath.join(remotepath, name) if self.isdir(remotepath) else remotepath)

    def _put(self, source: str, target: str) -> None:
        if os.path.isdir(source):
            self.mkdir(target, ignore_failure=True)
            for name in sorted(os.listdir(source)):
                self._put(os.path.join(source, name), posixpath.join(target, name))
        else:
            self.sftp.put(source, target)
        self.sftp.chmod(target, stat_module.S_IMODE(os.stat(source).st_mode))

    def get(self, remotepaths: str | Sequence[str], localpath: str = "") -> None:
        """Copy files, folders and what matches globs from the node."""
        patterns = [remotepaths] if isinstance(remotepaths, str) else list(remotepaths)
        sources = [path for pattern in patterns for path in self._matches(pattern)]
        if len(sources) > 1 and not os.path.isdir(localpath or "."):
            raise exception.SCPException(f"{localpath} is not a folder")
        for source in sources:
            target = localpath or "."
            if os.path.isdir(target):
                target = os.path.join(target, posixpath.basename(source.rstrip("/")))
            self._get(source, target)

    def _matches(self, pattern: str) -> list[str]:
        found = self.glob(pattern) if local_glob.has_magic(pattern) else [pattern]
        found = [path for path in found if self.lpath_exists(path)]
        if not found:
            raise exception.SCPException(f"{pattern} does not exist on the node")
        return found

    def _get(self, source: str, target: str) -> None:
        if self.isdir(source):
            with contextlib.suppress(FileExistsError):
                os.mkdir(target)
            for name in self.sftp.listdir(source):
                self._get(posixpath.join(source, name), os.path.join(target, name))
        else:
            self.sftp.get(source, target)
        os.chmod(target, stat_module.S_IMODE(self.sftp.stat(source).st_mode or 0o644))


class Scp:
    """What `ssh.scp` is to plugins; folders are copied whole in any case, with their modes."""

    def __init__(self, files: RemoteFiles) -> None:
        self._files = files

    def put(
        self,
        files: str | Sequence[str],
        remote_path: str = ".",
        recursive: bool = False,
        preserve_times: bool = False,
    ) -> None:
        self._files.put(files, remote_path)

    def get(
        self,
        remote_path: str | Sequence[str],
        local_path: str = "",
        recursive: bool = False,
        preserve_times: bool = False,
    ) -> None:
        self._files.get(remote_path, local_path)


def _shell_pattern(pattern: str) -> str:
    """The pattern quoted for sh, its wildcards left alive."""
    parts = re.split(r"([*?]|\[[^]]*\])", pattern)
    return "".join(part if index % 2 else (shlex.quote(part) if part else "") for index, part in enumerate(parts))
