"""The block devices in use: which image is behind which loop device, kept by the holder over agents' deaths."""

import contextlib
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from starcluster.localcloud.hosts import loops, syscalls
from starcluster.localcloud.hosts.files import sparse_copy
from starcluster.localcloud.hosts.held import HolderClient
from starcluster.localcloud.hosts.loops import Loop, LoopDevices
from starcluster.localcloud.hosts.mounts import Mount
from starcluster.localcloud.hosts.spec import HostsError

log = logging.getLogger("disks")

_PREFIX = "loop:"
_PATIENCE = 0.3  # seconds for a device to become free before its image is given a new file


class Disks:
    """Loop devices by the path of their image."""

    def __init__(self, holder: HolderClient, scratch: Path) -> None:
        """`scratch` is a directory in a tmpfs that only the cloud's mount namespace sees."""
        self._holder = holder
        self._devices = LoopDevices(scratch)
        self._scratch = scratch / "mnt"
        self._scratch.mkdir(exist_ok=True)
        self._loops: dict[Path, Loop] = {}
        self._lock = threading.Lock()

    def adopt(self) -> None:
        """Take over the devices that an earlier agent has opened."""
        for name in self._holder.names():
            fd = self._holder.take(name) if name.startswith(_PREFIX) else None
            if fd is not None:
                image = Path(name.removeprefix(_PREFIX))
                self._loops[image] = Loop.adopted(fd, image)

    def images(self) -> list[Path]:
        """The images that are behind a device now."""
        return list(self._loops)

    def get(self, image: Path) -> Loop | None:
        """The device of an image, if it has one."""
        return self._loops.get(image)

    def open(self, image: Path) -> Loop:
        """The device of an image, made if necessary."""
        with self._lock:
            loop = self._loops.get(image)
            if loop is None:
                loop = self._devices.open(image)
                self._holder.keep(f"{_PREFIX}{image}", loop.fd)
                self._loops[image] = loop
            return loop

    def path(self, loop: Loop) -> Path:
        """The device file, in the cloud's mount namespace."""
        return self._devices.path(loop.minor)

    def release(self, image: Path) -> None:
        """Let go of an image's device; afterwards the image may be opened anew or deleted.

        Somebody may hold the device still: a process on an NFS client with an open file of a server that is dead.
        That file system has been shut down, yet it would write its superblock when it goes at last, perhaps in the
        middle of the image's next use. So the image then moves to a file of its own.
        """
        with self._lock:
            loop = self._loops.pop(image, None)
            if loop is None:
                return
            with contextlib.suppress(HostsError):  # a dead holder keeps nothing
                self._holder.drop(f"{_PREFIX}{image}")
            os.close(loop.fd)
            if not loops.wait_free(loop.minor, image, timeout=_PATIENCE):
                log.info("loop%d is still in use, %s gets a new file", loop.minor, image.name)
                self._flush(loop)
                sparse_copy(image, image)

    def _flush(self, loop: Loop) -> None:
        """Write out what the kernel caches of the device: nothing that a shut file system had not committed."""
        fd = os.open(self.path(loop), os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def kill(self, loop: Loop, mounted: Mount) -> None:
        """End a file system as a power cut does: what was not synced is lost, every later use is an error.

        One that cannot be got hold of (it was unmounted this moment, say) must not save its node from dying.
        """
        try:
            with self.file_system(loop, mounted) as fd:
                self.shut(fd, flush=False)
        except OSError as error:
            log.warning("the file system on %s could not be killed: %s", loop.image.name, error)

    def shut(self, fd: int, *, flush: bool) -> None:
        """Let every later use of the file system that `fd` is on be an error."""
        try:
            loops.kill_file_system(fd, flush=flush)
        except OSError as error:
            log.warning("a file system could not be shut down: %s", error)

    @contextlib.contextmanager
    def file_system(self, loop: Loop, mounted: Mount) -> Iterator[int]:
        """A descriptor on a file system that is mounted somewhere, whatever hides its mount point there."""
        with self._scratch_mount(loop, mounted):
            fd = os.open(self._scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def _scratch_mount(self, loop: Loop, mounted: Mount) -> Iterator[None]:
        with self._lock:
            flags = 0 if mounted.writable else syscalls.MS_RDONLY
            syscalls.mount(self.path(loop), self._scratch, mounted.fstype, flags)
            try:
                yield
            finally:
                syscalls.umount(self._scratch, syscalls.MNT_DETACH)
