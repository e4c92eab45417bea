"""One file that arrives: kept under a name of its own until it is whole, compared, then put in place at once."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import zlib
from typing import Any, NamedTuple

from starcluster.copyends import wire as w

FULL = (errno.ENOSPC, errno.EDQUOT)


class Kept(NamedTuple):
    """What is here already of a file: its first `size` bytes; `whole`: under its own name."""

    size: int
    hasher: Any
    whole: bool


class Incoming:
    def __init__(self, place: bytes, *, start: int, size: int, mtime: int, mode: int, alone: bool = False) -> None:
        """`start`: so many bytes are here and known to be the same. `alone`: nobody looks into its folder yet."""
        self.place, self.part = place, w.part_of(place)
        self.start, self.size, self.mtime, self.mode = start, size, mtime, mode
        self.crc = 0  # of what came
        self._alone, self._ends_in_hole, self._handle = alone, False, -1

    def open(self) -> None:
        """OSError when it can not be; BlockingIOError when another copy writes the same file."""
        if self._alone and self._open_alone():
            return
        while True:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._handle = os.open(self.part, flags, 0o600)
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise
            except OSError:
                pass  # a file system without locks
            if self._still_there():
                break
            os.close(self._handle)
        if os.fstat(self._handle).st_size != self.start:  # cut to nothing, ext4 writes all to the disk at the close
            os.ftruncate(self._handle, self.start)
        os.lseek(self._handle, self.start, os.SEEK_SET)

    def _open_alone(self) -> bool:
        """Under its own name at once: a copy that breaks off leaves it with another time, so it comes anew."""
        try:
            self._handle = os.open(self.place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return False  # two names of there are one here
        self.part = self.place
        return True

    def _still_there(self) -> bool:
        """Another copy may have put the file in place between our opening it and our lock."""
        try:
            return os.stat(self.part).st_ino == os.fstat(self._handle).st_ino
        except FileNotFoundError:
            return False

    def write(self, view: memoryview) -> None:
        done = 0
        while done < len(view):
            done += os.write(self._handle, view[done:])
        self.crc = zlib.crc32(view, self.crc)
        self._ends_in_hole = False

    def skip(self, length: int) -> None:
        os.lseek(self._handle, length, os.SEEK_CUR)
        self.crc = w.after_hole(length, self.crc)
        self._ends_in_hole = True

    def settle(self) -> None:
        """Under its own name, whole, in place of what was there."""
        if self._ends_in_hole:
            os.ftruncate(self._handle, self.size)
        if self.part != self.place:
            self._owner_as_before()
        os.fchmod(self._handle, self.mode)
        os.utime(self._handle, ns=(self.mtime, self.mtime))
        self.close()  # which is where a network file system tells that it is full
        if self.part != self.place:
            os.rename(self.part, self.place)

    def _owner_as_before(self) -> None:
        """Root who writes a user's file anew does not take it from him."""
        if os.geteuid():
            return
        try:
            old = os.lstat(self.place)
        except FileNotFoundError:
            return
        if stat.S_ISREG(old.st_mode) and (old.st_uid, old.st_gid) != (0, 0):
            os.fchown(self._handle, old.st_uid, old.st_gid)

    def close(self) -> None:
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            os.close(handle)

    def drop(self) -> None:
        """It is not to go on from here."""
        self.close()
        try:
            os.unlink(self.part)
        except OSError:
            pass  # it never was, or its folder is gone


def kept(place: bytes, size: int, mtime: int, *, checksum: bool, fresh: bool) -> Kept | None:
    """What there is of a file. `fresh`: nothing, its folder is new. None: all of it, with that time."""
    nothing = Kept(0, None, False)
    if fresh:
        return nothing
    found = _regular(place)
    if found and found.st_size == size:
        if not checksum and same_time(found.st_mtime_ns, mtime):
            return None
        if checksum:
            return Kept(size, _hash(place, size), True) if size else nothing
    part = w.part_of(place)
    begun = _regular(part)
    if begun and 0 < begun.st_size <= size:
        return Kept(begun.st_size, _hash(part, begun.st_size), False)
    return nothing


def same_time(one: int, other: int) -> bool:
    """Nanoseconds; a file system that keeps whole seconds only counts as exact."""
    return one == other or (one // 10**9 == other // 10**9 and 0 in (one % 10**9, other % 10**9))


def _regular(path: bytes) -> os.stat_result | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _hash(path: bytes, size: int) -> Any:
    """The hash of a file's first bytes; of nothing when it can not be read, which no file then fits."""
    hasher, buffer = w.new_hash(), memoryview(bytearray(w.BLOCK))
    try:
        with open(path, "rb", buffering=0) as file:
            while size:
                count = file.readinto(buffer[: min(size, w.BLOCK)])
                if not count:
                    break
                hasher.update(buffer[:count])
                size -= count
    except OSError:
        return w.new_hash()
    return hasher
