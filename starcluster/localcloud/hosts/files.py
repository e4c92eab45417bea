"""Image files: sparse ones, copies of them, and small records that are replaced whole."""

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

GIB = 1 << 30
_STEP = 64 << 20


def make_sparse(path: Path, size: int) -> None:
    """A file of `size` bytes that takes no room yet."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, size)
    finally:
        os.close(fd)


def sparse_copy(source: Path, target: Path) -> None:
    """Copy a file, holes staying holes; the target appears whole or not at all."""
    fresh = target.with_name(f".{target.name}.copy")
    fresh.unlink(missing_ok=True)
    try:
        make_sparse(fresh, source.stat().st_size)
        with source.open("rb") as reader, fresh.open("r+b") as writer:
            _copy_data(reader.fileno(), writer.fileno())
        fresh.rename(target)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def _copy_data(reader: int, writer: int) -> None:
    end = os.fstat(reader).st_size
    place = 0
    while place < end:
        try:
            start = os.lseek(reader, place, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole follows
                return
            raise
        place = os.lseek(reader, start, os.SEEK_HOLE)
        _copy_range(reader, writer, start, place)


def _copy_range(reader: int, writer: int, start: int, end: int) -> None:
    while start < end:
        wanted = min(end - start, _STEP)
        try:
            copied = os.copy_file_range(reader, writer, wanted, start, start)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            copied = os.pwrite(writer, os.pread(reader, min(wanted, 1 << 20), start), start)
        if copied == 0:
            raise OSError(errno.EIO, "the image became shorter while it was copied")
        start += copied


def write_json(path: Path, value: Any) -> None:
    """Replace a small record; a reader sees the old or the new one."""
    fresh = path.with_name(f".{path.name}.{threading.get_native_id()}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "w") as file:
            json.dump(value, file)
        fresh.rename(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Any:
    """A record's value, None where there is none."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
