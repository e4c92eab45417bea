"""Hearing of the end of processes, and reading what is mounted."""

import os
import signal
import subprocess
import threading

from starcluster.localcloud.hosts import mounts, watch


def test_the_end_of_a_process_is_told_once() -> None:
    told = threading.Event()
    process = subprocess.Popen(["sleep", "100"])
    pidfd = os.pidfd_open(process.pid)
    try:
        watch.Watch().add(pidfd, told.set)
        assert not watch.wait_exit(pidfd, 0)
        watch.send(pidfd, signal.SIGKILL)
        assert told.wait(20)
        assert watch.wait_exit(pidfd, 0)
        assert not watch.process_lives(process.pid), "a zombie does not live"
        process.wait()
        watch.send(pidfd, signal.SIGTERM)
        assert not watch.process_lives(process.pid)
    finally:
        process.kill()
        process.wait()
        os.close(pidfd)


def test_a_hung_up_pipe_is_no_byte() -> None:
    read, write = os.pipe()
    assert not watch.is_told(read)
    os.close(write)
    assert not watch.is_told(read)
    os.close(read)
    read, write = os.pipe()
    os.write(write, b"u")
    assert watch.is_told(read)
    assert watch.is_told(read), "looking does not take it"
    for fd in (read, write):
        os.close(fd)


def test_the_pid_namespace_of_nobody_is_none() -> None:
    assert watch.pid_namespace(os.getpid()) == os.readlink("/proc/self/ns/pid")
    assert watch.pid_namespace(2**22 + 1) is None


def test_mountinfo_is_read_with_its_escapes() -> None:
    line = r"36 35 7:3 / /mnt/my\040disk rw,noatime shared:1 master:2 - ext4 /dev/a\011b ro,errors=continue"
    mount = mounts.parsed(line)
    assert mount == mounts.Mount(device="7:3", place="/mnt/my disk", fstype="ext4", source="/dev/a\tb", writable=False)


def test_the_mounts_of_nobody_are_none() -> None:
    assert mounts.mounts_of(2**22 + 1) == []
    assert any(mount.place == "/proc" for mount in mounts.mounts_of(os.getpid()))
