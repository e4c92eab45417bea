"""What is done where the kernel lacks a newer call: forced here, on the kernel of this machine."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from starcluster.localcloud.hosts import loops
from starcluster.localcloud.hosts.files import make_sparse
from starcluster.localcloud.hosts.loops import LoopDevices, wait_free

LOOP_CONFIGURE = 0x4C0A
LOOP_SET_STATUS64 = 0x4C04

READ_ONLY = """
import errno, os, sys
from pathlib import Path
from starcluster.localcloud.hosts import nfs, syscalls

def lacking(tree, attributes):
    raise OSError(errno.ENOSYS, "no such call")

syscalls.mount_setattr = lacking
syscalls.unshare(syscalls.CLONE_NEWNS)
syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
top = Path(sys.argv[1])
for name in ("server", "client", "scratch"):
    (top / name).mkdir()
syscalls.mount("tmpfs", top / "server", "tmpfs", syscalls.MS_NODEV)
tree = nfs.read_only(syscalls.open_tree(str(top / "server")), top / "scratch")
syscalls.move_mount(tree, str(top / "client"))
(top / "server" / "file").write_text("word")
print((top / "client" / "file").read_text(), os.statvfs(top / "client").f_flag & syscalls.MS_NODEV)
print(len([line for line in Path("/proc/self/mounts").read_text().splitlines() if "scratch" in line]))
try:
    (top / "client" / "file").write_text("other")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


class Kernel:
    """fcntl of a kernel before 5.8; `fails` names another call that is refused."""

    def __init__(self, fails: int = 0) -> None:
        self.fails = fails
        self.refused = 0

    def ioctl(self, fd: int, number: int, *arguments: Any) -> Any:
        if number in (LOOP_CONFIGURE, self.fails):
            self.refused += 1
            raise OSError(errno.EINVAL if number == LOOP_CONFIGURE else errno.EPERM, "refused")
        return fcntl.ioctl(fd, number, *arguments)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "old-kernel.img"
    make_sparse(path, 1 << 24)
    return path


def test_loop_devices_in_two_calls(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel()
    monkeypatch.setattr(loops, "fcntl", kernel)
    loop = LoopDevices(tmp_path).open(image)
    told = Path(f"/sys/block/loop{loop.minor}/loop")
    try:
        assert kernel.refused == 1
        assert (told / "backing_file").read_text().strip() == str(image)
        assert (told / "autoclear").read_text().strip() == "1"
        os.pwrite(loop.fd, b"written", 0)
        os.fsync(loop.fd)
    finally:
        os.close(loop.fd)
    assert wait_free(loop.minor, image, timeout=5), "it goes with its last user"
    assert image.read_bytes().startswith(b"written")


def test_a_loop_device_that_cannot_be_finished_is_free_again(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "fcntl", Kernel(fails=LOOP_SET_STATUS64))
    with pytest.raises(PermissionError):
        LoopDevices(tmp_path).open(image)
    used = subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=True).stdout
    assert image.name not in used


def test_exports_are_read_only_without_mount_setattr(tmp_path: Path) -> None:
    words = [sys.executable, "-c", READ_ONLY, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["word", "4", "0", "EROFS"], done.stderr
