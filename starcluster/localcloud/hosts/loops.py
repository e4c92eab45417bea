"""Loop devices and what the kernel lets us do to the file systems on them.

A loop device is taken with the autoclear flag: the kernel frees it by itself once nobody has it open or mounted,
so that even a cloud whose processes are all killed leaves no device behind.
"""

import contextlib
import errno
import fcntl
import os
import stat
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAJOR = 7
_LOOP_SET_FD = 0x4C00
_LOOP_CLR_FD = 0x4C01
_LOOP_SET_STATUS64 = 0x4C04
_LOOP_CONFIGURE = 0x4C0A
_LOOP_SET_CAPACITY = 0x4C07
_LOOP_CTL_GET_FREE = 0x4C82
_LO_FLAGS_AUTOCLEAR = 4
_INFO64 = struct.Struct("=QQQQQIIII64s64s32s16s")
_CONFIG = struct.Struct(f"=II{_INFO64.size}s64s")

_EXT4_SHUTDOWN = 0x8004_587D
_SHUTDOWN_FLUSHED = 0
_SHUTDOWN_NO_FLUSH = 2
_FIFREEZE = 0xC004_5877
_FITHAW = 0xC004_5878

_TRIES = 64
_PAUSE = 0.01


@dataclass(frozen=True, kw_only=True)
class Loop:
    """A loop device in use. It lives as long as `fd`, a copy of it, or a mount of it does."""

    fd: int
    minor: int
    image: Path

    @property
    def device(self) -> str:
        """The "major:minor" by which mountinfo names it."""
        return f"{MAJOR}:{self.minor}"

    @classmethod
    def adopted(cls, fd: int, image: Path) -> "Loop":
        """A loop device that is open already."""
        return cls(fd=fd, minor=os.minor(os.fstat(fd).st_rdev), image=image)


class LoopDevices:
    """Hands out loop devices; their device files are made in a directory of our own, not in the host's /dev."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, minor: int) -> Path:
        """The device file of the loop with that number."""
        path = self.directory / f"loop{minor}"
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(MAJOR, minor))
        return path

    def open(self, image: Path) -> Loop:
        """Put an image file behind a free loop device."""
        backing = os.open(image, os.O_RDWR | os.O_CLOEXEC)
        try:
            for _ in range(_TRIES):
                loop = self._configure(backing, image)
                if loop is not None:
                    return loop
        finally:
            os.close(backing)
        raise OSError(errno.EBUSY, "every free loop device was taken by somebody else", str(image))

    def _configure(self, backing: int, image: Path) -> Loop | None:
        """One try; None when another process was faster."""
        with _opened("/dev/loop-control") as control:
            minor = fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
        fd = os.open(self.path(minor), os.O_RDWR | os.O_CLOEXEC)
        name = os.fsencode(image.name)[:63]
        info = _INFO64.pack(0, 0, 0, 0, 0, 0, 0, 0, _LO_FLAGS_AUTOCLEAR, name, b"", b"", b"")
        try:
            _bind(fd, backing, info)
        except OSError as error:
            os.close(fd)
            if error.errno == errno.EBUSY:
                return None
            raise
        return Loop(fd=fd, minor=minor, image=image)


def _bind(fd: int, backing: int, info: bytes) -> None:
    """Put a file behind a device: in one call, or before Linux 5.8 in two."""
    try:
        fcntl.ioctl(fd, _LOOP_CONFIGURE, _CONFIG.pack(backing, 0, info, b""))
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTTY):
            raise
        _bind_in_two_calls(fd, backing, info)


def _bind_in_two_calls(fd: int, backing: int, info: bytes) -> None:
    fcntl.ioctl(fd, _LOOP_SET_FD, backing)
    try:
        for left in reversed(range(_TRIES)):
            try:
                fcntl.ioctl(fd, _LOOP_SET_STATUS64, info)
                return
            except OSError as error:
                if error.errno != errno.EAGAIN or not left:  # EAGAIN: pages of the device's last use are there still
                    raise
                time.sleep(_PAUSE)
    except OSError:
        fcntl.ioctl(fd, _LOOP_CLR_FD, 0)
        raise


@contextlib.contextmanager
def _opened(path: str | Path, flags: int = os.O_RDWR) -> Iterator[int]:
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def wait_free(minor: int, image: Path, *, timeout: float) -> bool:
    """Whether the loop device has let go of the image; a mount of it anywhere, or an open file on it, prevents that."""
    backing = Path(f"/sys/block/loop{minor}/loop/backing_file")
    end = time.monotonic() + timeout
    while _backs(backing, image):
        if time.monotonic() > end:
            return False
        time.sleep(_PAUSE)
    return True


def _backs(backing: Path, image: Path) -> bool:
    try:
        told = backing.read_text().rstrip("\n").removesuffix(" (deleted)")
    except OSError:
        return False
    return Path(told).parts[-2:] == image.parts[-2:]  # the rest may be spelt differently, as over a bind mount


def grow(loop: Loop) -> None:
    """Let the device have the size that its image file has now."""
    fcntl.ioctl(loop.fd, _LOOP_SET_CAPACITY)


def kill_file_system(fd: int, *, flush: bool) -> None:
    """Shut the ext4 that `fd` is on: every later operation gets EIO, and without `flush` unsynced data are lost.

    One that its node holds still is let go: a frozen file system keeps its device also when nobody has it mounted.
    """
    if flush:
        _thaw(fd)
    how = _SHUTDOWN_FLUSHED if flush else _SHUTDOWN_NO_FLUSH
    fcntl.ioctl(fd, _EXT4_SHUTDOWN, struct.pack("=I", how))
    if not flush:
        _thaw(fd)  # only now: nothing may be written in between


def _thaw(fd: int) -> None:
    """Let the file system go on; one that nobody holds is left as it is."""
    try:
        fcntl.ioctl(fd, _FITHAW, 0)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


@contextlib.contextmanager
def frozen(fd: int) -> Iterator[None]:
    """Hold the file system that `fd` is on still and complete on its device; one that its node holds is left so."""
    try:
        fcntl.ioctl(fd, _FIFREEZE, 0)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        yield
        return
    try:
        yield
    finally:
        fcntl.ioctl(fd, _FITHAW, 0)
