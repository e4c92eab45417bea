"""Copies to and from a node without Python: one tar stream through one call of the ssh program.

Targets are read as scp reads them: into a folder that exists, else under the name given. A single file or
folder under a new name appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from starcluster import exception
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

Progress = Callable[[int], None]
_BLOCK = 1 << 20
_CONNECTION_LOST = 255
_GLOB = re.compile(r"([*?]|\[[^]]*\])")

_RECEIVE = """
fail() { echo "$1" >&2; exit 90; }
if [ -d "$target" ]; then
  cd "$target" 2>/dev/null && [ -w . ] || fail "$(id -un) may not write to $target on the node"
  exec tar -xpf - --no-same-owner
fi
[ "$single" = 1 ] || fail "$target is not a folder on the node"
case "$folder$target" in 0*/) fail "$target is not a folder on the node" ;; esac
[ "$folder" = 0 ] || [ ! -e "$target" ] || fail "$target is a file on the node, and a folder was to be put there"
parent=$(dirname "$target")
[ -d "$parent" ] || fail "there is no folder $parent on the node, or $(id -un) may not see it"
[ -w "$parent" ] && [ -x "$parent" ] || fail "$(id -un) may not write to $parent on the node"
temporary=$(mktemp -d "$parent/.starcluster-put-XXXXXX") || exit 1
trap 'rm -rf "$temporary"' EXIT
tar -xpf - --no-same-owner -C "$temporary" && mv -f "$temporary/$name" "$target"
"""

_SEND = """
fail() { echo "$1" >&2; exit 90; }
missing() {
  up=$(dirname "$1")
  while [ ! -d "$up" ] && [ "$up" != / ]; do up=$(dirname "$up"); done
  [ -x "$up" ] || fail "$(id -un) may not look into $up on the node"
  fail "$1 does not exist on the node"
}
count=$#
[ "$count" -le 1 ] || [ "$single" = 0 ] || fail "$count files need a folder to go to"
follow=
while [ "$count" -gt 0 ]; do
  path=$1; shift; count=$((count - 1))
  [ -e "$path" ] || missing "$path"
  [ -r "$path" ] || fail "$(id -un) may not read $path on the node"
  [ ! -L "$path" ] || follow=-h
  path=${path%/}; folder=$(cd "$(dirname "${path:-/}")" && pwd) || exit 1
  set -- "$@" -C "$folder" "./$(basename "${path:-/}")"
done
exec tar -cf - $follow "$@"
"""


def warn(node: Node) -> None:
    log.warning(
        "%s has no Python 3.8: the files go as one tar stream, which is neither compared nor goes on after a break",
        node.alias,
        extra={"__stderr__": True},
    )


def put(
    node: Node, sources: Sequence[str], target: str, *, user: str = "root", progress: Progress | None = None
) -> None:
    """Copy local files and folders to the node."""
    words = {
        "target": target,
        "single": str(int(len(sources) == 1)),
        "folder": str(int(os.path.isdir(sources[0]))),
        "name": _name(sources[0]),
    }
    lines = [f"{key}={_word(value)}" for key, value in words.items()]
    with _ssh(node, user, "\n".join([*lines, _RECEIVE]), stdin=subprocess.PIPE) as process:
        # the node may refuse before it has read: what it says matters then, not the broken pipe
        with contextlib.suppress(BrokenPipeError):
            _send(sources, _Counted(_pipe(process.stdin), progress))
        with contextlib.suppress(BrokenPipeError):
            _pipe(process.stdin).close()


def get(
    node: Node, sources: Sequence[str], target: str, *, user: str = "root", progress: Progress | None = None
) -> None:
    """Copy files and folders from the node; the node's shell expands wildcards."""
    into_folder = os.path.isdir(target)
    parent = Path(target) if into_folder else Path(target).parent
    if not parent.is_dir() or (target.endswith("/") and not into_folder):
        raise exception.SCPException(f"there is no folder {parent if not parent.is_dir() else target}")
    if shutil.which("tar") is None:
        raise exception.CommandNotFound("there is no tar program on this machine, and no Python on the node")
    patterns = " ".join(shell_pattern(source) for source in sources)
    script = f"single={int(not into_folder)}\nset -- {patterns}\n{_SEND}"
    if into_folder:
        _receive(node, user, script, parent, progress)
        return
    with tempfile.TemporaryDirectory(dir=parent, prefix=".starcluster-get-") as temporary:
        _receive(node, user, script, Path(temporary), progress)
        _move(next(Path(temporary).iterdir()), Path(target))


def shell_pattern(path: str) -> str:
    """A remote path as a word of sh: wildcards and a leading ~/ are alive, all else is quoted."""
    parts = _GLOB.split(path.removeprefix("~/"))
    words = [part if index % 2 else shlex.quote(part) for index, part in enumerate(parts) if part]
    return ("~/" if path.startswith("~/") else "") + "".join(words)


def _word(path: str) -> str:
    """A text as a word of sh, where a leading ~/ means the user's home."""
    return "~/" + shlex.quote(path[2:]) if path.startswith("~/") else shlex.quote(path)


def _name(source: str) -> str:
    return os.path.basename(os.path.abspath(source))


def _send(sources: Sequence[str], stream: _Counted) -> None:
    archive: Any = stream
    with tarfile.open(fileobj=archive, mode="w|", bufsize=_BLOCK) as tar:
        for source in sources:
            # a link that was named itself stands for what it leads to, as with scp
            tar.add(os.path.realpath(source), arcname=_name(source))


def _receive(node: Node, user: str, script: str, folder: Path, progress: Progress | None) -> None:
    failed = 0
    with _ssh(node, user, script, stdout=subprocess.PIPE) as process:
        source: Any = _pipe(process.stdout)
        first = source.read1(_BLOCK)
        # nothing comes from a node that refuses: there is nothing to unpack, and its own words are the error
        if first:
            failed = _unpack(first, source, folder, progress)
    if failed:
        raise exception.SCPException(f"what came from {node.alias} could not be unpacked in {folder}")


def _unpack(first: bytes, source: Any, folder: Path, progress: Progress | None) -> int:
    """Feed the local tar program; its exit status."""
    words = ["tar", "-xpf", "-", "--no-same-owner", "-C", str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as tar:
        sink = _Counted(_pipe(tar.stdin), progress)
        with contextlib.suppress(BrokenPipeError):
            block = first
            while block:
                sink.write(block)
                block = source.read1(_BLOCK)
        with contextlib.suppress(BrokenPipeError):
            _pipe(tar.stdin).close()
        return tar.wait()


def _move(source: Path, target: Path) -> None:
    try:
        os.replace(source, target)
    except OSError as error:
        raise exception.SCPException(f"can not write {target}: {error.strerror}") from error


@contextlib.contextmanager
def _ssh(
    node: Node, user: str, script: str, *, stdin: int = subprocess.DEVNULL, stdout: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The ssh program running a script on the node; at the end its failure is raised with what it said."""
    argv = node.login_argv(user=user, command=f"exec sh -c {shlex.quote(script)}", profile=False)
    with tempfile.TemporaryFile() as told:
        with subprocess.Popen(argv, stderr=told, stdin=stdin, stdout=stdout) as process:
            try:
                yield process
            except BaseException:
                process.kill()
                raise
            status = process.wait()
        told.seek(0)
        text = told.read().decode("utf-8", "replace").strip()
    if status == _CONNECTION_LOST:
        raise exception.SSHConnectionError(f"no connection to {node.alias}: {text}")
    if status:
        raise exception.SCPException(text or f"the copy ended with status {status} on {node.alias}")


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise exception.SCPException("the ssh program was started without a pipe")
    return stream


class _Counted:
    """A stream that tells how many bytes went through."""

    def __init__(self, stream: IO[bytes], progress: Progress | None) -> None:
        self._stream, self._progress = stream, progress

    def write(self, data: bytes) -> int:
        self._stream.write(data)
        if self._progress:
            self._progress(len(data))
        return len(data)
