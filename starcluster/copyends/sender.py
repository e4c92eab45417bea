"""The end that has the files: it lists them, hears which are wanted, and sends those, each with its sum."""

from __future__ import annotations

import errno
import glob
import os
import stat
import zlib
from collections.abc import Iterator
from typing import Any

from starcluster.copyends import wire as w
from starcluster.copyends.wire import Entry, Meter, Refused, Wire

_BATCH = 256


class Sender:
    """`where` is what sentences about this end's files say after their names."""

    def __init__(self, wire: Wire, *, where: str = "", meter: Meter | None = None) -> None:
        self.wire, self.where, self.meter = wire, where, meter or Meter()
        self.failures: list[str] = []
        self.warnings: list[str] = []
        self._view = memoryview(bytearray(w.BLOCK))
        self._crc = 0  # of what was sent of a file

    def run(self, sources: list[bytes]) -> Any:
        """Send all of them; what the receiver says of it at the end."""
        files = self._list(sources)
        wants = self.wire.all(w.WANT)
        self.meter.expect(sum(max(files[index][1] - offset, 0) for index, offset, _, _ in wants))
        for index, offset, digest, whole in wants:
            self._file(index, files[index][0], offset, digest, whole)
        self.wire.tell(w.END, {"failures": self.failures, "warnings": self.warnings})
        self.wire.flush()
        return self.wire.hear(w.RESULT)[1]

    # --- what there is

    def _list(self, sources: list[bytes]) -> dict[int, tuple[bytes, int]]:
        """Tell the receiver all that there is; (path, size) of each file by its number in the list."""
        files: dict[int, tuple[bytes, int]] = {}
        batch: list[Any] = []
        for number, (path, one) in enumerate(self._entries(self.named(sources))):
            if one.kind == w.PLAIN:
                files[number] = (path, one.size)
            batch.append(one.plain())
            if len(batch) == _BATCH:
                self.wire.tell(w.LIST, batch)
                batch = []
        self.wire.tell(w.LIST, batch)
        self.wire.tell(w.END)
        self.wire.flush()
        return files

    def named(self, sources: list[bytes]) -> dict[bytes, bytes]:
        """Name over there -> path here."""
        found: dict[bytes, bytes] = {}
        for path in (path for source in sources for path in self._matching(source)):
            name = os.path.basename(os.path.abspath(path))
            if not name:
                raise Refused(f"{w.shown(path)} has no name of its own: name what is in it")
            if name in found:
                raise Refused(f"{w.shown(found[name])} and {w.shown(path)} would both become {w.shown(name)}")
            found[name] = path
        return found

    def _matching(self, source: bytes) -> list[bytes]:
        """The paths that a word means: that very one, or those that its wildcards fit, as in sh."""
        path = os.path.expanduser(source) if source.startswith(b"~/") else source
        if os.path.lexists(path):
            if not os.path.exists(path):
                raise Refused(f"{w.shown(source)}{self.where} is a link that leads nowhere")
            return [path]
        found = sorted(glob.glob(path))
        if not found:
            raise Refused(self._missing(source, path))
        return found

    def _missing(self, source: bytes, path: bytes) -> str:
        up = os.path.dirname(os.path.abspath(path))
        while not os.path.isdir(up):
            up = os.path.dirname(up)
        if not os.access(up, os.X_OK):
            return f"{w.me()} may not look into {w.shown(up)}{self.where}"
        return f"{w.shown(source)} does not exist{self.where}"

    def _entries(self, named: dict[bytes, bytes]) -> Iterator[tuple[bytes, Entry]]:
        """(path here, entry), folders before what is in them."""
        # a link that was named itself stands for what it leads to, as with scp
        waiting = [(os.path.realpath(path), name) for name, path in reversed(list(named.items()))]
        while waiting:
            path, name = waiting.pop()
            try:
                made = self._entry(path, name)
                inside = sorted(os.listdir(path), reverse=True) if made and made.kind == w.FOLDER else []
            except OSError as error:
                self.failures.append(self._unreadable(path, error))
                continue
            if made:
                yield path, made
            waiting += [(os.path.join(path, one), name + b"/" + one) for one in inside if not w.is_part(one)]

    def _entry(self, path: bytes, name: bytes) -> Entry | None:
        found = os.lstat(path)
        kind = {stat.S_IFDIR: w.FOLDER, stat.S_IFLNK: w.LINK, stat.S_IFREG: w.PLAIN}.get(stat.S_IFMT(found.st_mode))
        if kind is None:
            self.warnings.append(f"{w.shown(path)}{self.where} is no file, folder or link: left out")
            return None
        link = os.readlink(path) if kind == w.LINK else b""
        mode, held = stat.S_IMODE(found.st_mode), found.st_blocks * 512
        return Entry(name, kind, mode, found.st_mtime_ns, found.st_size, held, link)

    def _unreadable(self, path: bytes, error: OSError) -> str:
        if error.errno in (errno.EACCES, errno.EPERM):
            return f"{w.me()} may not read {w.shown(path)}{self.where}"
        if error.errno in (errno.ENOENT, errno.ESTALE):
            return f"{w.shown(path)}{self.where} went away while it was copied"
        return f"{w.shown(path)}{self.where} can not be read: {error.strerror}"

    # --- what is in it

    def _file(self, index: int, path: bytes, offset: int, digest: str, whole: int) -> None:
        """Send what is missing of one file. With `whole` the other end has all of it, if the digest is ours too."""
        try:
            # a fifo that has taken the file's place must not hold us up
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            self.failures.append(self._unreadable(path, error))
            return
        try:
            if offset or not self._little(index, path, handle):
                self._opened(index, path, handle, offset, digest, whole)
        finally:
            os.close(handle)

    def _little(self, index: int, path: bytes, handle: int) -> bool:
        """Send the whole file in one frame, if it is one for that."""
        before = os.fstat(handle)
        size = before.st_size
        if size > w.LITTLE or before.st_blocks * 512 < size or not stat.S_ISREG(before.st_mode):
            return False
        try:
            content = os.read(handle, size)
        except OSError:
            return False
        if len(content) != size:
            return False
        head = w.SMALL_HEAD.pack(index, before.st_mtime_ns, stat.S_IMODE(before.st_mode), zlib.crc32(content))
        self.wire.send(w.SMALL, content, head)
        self.meter.add(size)
        self._compare(path, handle, before)
        return True

    def _compare(self, path: bytes, handle: int, before: os.stat_result) -> None:
        after = os.fstat(handle)
        if (after.st_mtime_ns, after.st_size) != (before.st_mtime_ns, before.st_size):
            said = f"{w.shown(path)}{self.where} changed while it was copied: what arrived is what was read"
            self.warnings.append(said)

    def _opened(self, index: int, path: bytes, handle: int, offset: int, digest: str, whole: int) -> None:
        before = os.fstat(handle)
        if not stat.S_ISREG(before.st_mode):
            self.failures.append(f"{w.shown(path)}{self.where} is no file any more")
            return
        start = offset if self._has_beginning(handle, before.st_size, offset, digest, whole) else 0
        self.wire.tell(
            w.FILE,
            [index, start, before.st_size, before.st_mtime_ns, stat.S_IMODE(before.st_mode), bool(start and whole)],
        )
        self._crc = 0
        try:
            trouble = self._content(path, handle, before, start)
        except OSError as error:
            trouble = self._unreadable(path, error)
        self.wire.tell(w.DONE, [self._crc, trouble])

    def _has_beginning(self, handle: int, size: int, offset: int, digest: str, whole: int) -> bool:
        """Whether the other end has the very same first `offset` bytes."""
        if not offset or offset > size or (whole and offset != size):
            return False
        hasher, left = w.new_hash(), offset
        while left:
            count = os.readv(handle, [self._view[: min(left, w.BLOCK)]])
            if not count:
                return False
            hasher.update(self._view[:count])
            left -= count
        return bool(hasher.hexdigest() == digest)

    def _content(self, path: bytes, handle: int, before: os.stat_result, start: int) -> str:
        """Send the bytes from `start` to the size at the begin; what went wrong."""
        os.lseek(handle, start, os.SEEK_SET)
        at, sparse = start, before.st_blocks * 512 < before.st_size
        while at < before.st_size:
            data = _next_data(handle, at, before.st_size) if sparse else at
            if data > at:
                self._hole(data - at)
                at = os.lseek(handle, data, os.SEEK_SET)
                continue
            count = os.readv(handle, [self._view[: min(w.BLOCK, before.st_size - at)]])
            if not count:
                return f"{w.shown(path)}{self.where} was cut short while it was copied"
            part = self._view[:count]
            self._crc = zlib.crc32(part, self._crc)
            self.wire.send(w.DATA, part)
            self.meter.add(count)
            at += count
        self._compare(path, handle, before)
        return ""

    def _hole(self, length: int) -> None:
        self.wire.send(w.HOLE, length.to_bytes(8, "big"))
        self.meter.add(length)
        self._crc = w.after_hole(length, self._crc)


def _next_data(handle: int, at: int, size: int) -> int:
    """Where the next bytes are that are not a hole; at the earliest `at`, which is it where nobody can tell."""
    try:
        return min(os.lseek(handle, at, os.SEEK_DATA), size)
    except OSError as error:
        return size if error.errno == errno.ENXIO else at
    finally:
        os.lseek(handle, at, os.SEEK_SET)
