"""What is mounted in the mount namespace of some process, and acting inside it."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from starcluster.localcloud.hosts import syscalls

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Mount:
    """One line of mountinfo; `device` is "major:minor"."""

    device: str
    place: str
    fstype: str
    source: str
    writable: bool


def mounts_of(pid: int) -> list[Mount]:
    """The mounts that a process sees, in the order they were made; empty when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
    return [parsed(line) for line in lines]


def parsed(line: str) -> Mount:
    """One line of mountinfo."""
    head, _, tail = line.partition(" - ")
    fields, (fstype, source, options) = head.split(" "), tail.split(" ")[:3]
    writable = "rw" in options.split(",")
    return Mount(device=fields[2], place=_plain(fields[4]), fstype=fstype, source=_plain(source), writable=writable)


def _plain(escaped: str) -> str:
    """mountinfo writes blank, tab, newline and backslash as octal numbers."""
    for code in ("040", "011", "012", "134"):
        escaped = escaped.replace(f"\\{code}", chr(int(code, 8)))
    return escaped


class _Inside(threading.Thread, Generic[T]):
    """A thread that has joined another mount namespace; the process's other threads stay where they are."""

    def __init__(self, namespace: int, act: Callable[[], T]) -> None:
        super().__init__(daemon=True, name="inside")
        self._namespace = namespace
        self._act = act
        self.results: list[T] = []
        self.errors: list[Exception] = []

    def run(self) -> None:
        try:
            syscalls.unshare(syscalls.CLONE_FS)
            syscalls.setns(self._namespace, syscalls.CLONE_NEWNS)
            self.results.append(self._act())
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits
            self.errors.append(error)


def inside(pid: int, act: Callable[[], T]) -> T:
    """Run `act` in the mount namespace of a process and return what it returns (or raise what it raises).

    `act` must not import anything: it does not see our packages there.
    """
    with mount_namespace(pid) as namespace:
        return inside_namespace(namespace, act)


@contextlib.contextmanager
def mount_namespace(pid: int) -> Iterator[int]:
    """The mount namespace of a process as a descriptor, which stays good when the process ends."""
    fd = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def inside_namespace(namespace: int, act: Callable[[], T]) -> T:
    """The same, for a namespace that is open already."""
    thread = _Inside(namespace, act)
    thread.start()
    thread.join()
    if thread.errors:
        raise thread.errors[0]
    return thread.results[0]
