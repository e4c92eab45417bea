"""Hears of the end of processes, by pidfd."""

import contextlib
import os
import select
import signal
import threading
from collections.abc import Callable
from pathlib import Path


class Watch:
    """One thread that waits for many processes and calls back, in a thread of its own, when one ends."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._calls: dict[int, Callable[[], None]] = {}
        threading.Thread(target=self._run, daemon=True, name="watch").start()

    def add(self, pidfd: int, call: Callable[[], None]) -> None:
        """Call once when the process ends. The descriptor stays the caller's."""
        self._calls[pidfd] = call
        self._poll.register(pidfd, select.EPOLLIN | select.EPOLLONESHOT)

    def remove(self, pidfd: int) -> None:
        """Watch no longer."""
        self._calls.pop(pidfd, None)
        with contextlib.suppress(OSError):
            self._poll.unregister(pidfd)

    def _run(self) -> None:
        while True:
            for fd, _ in self._poll.poll():
                call = self._calls.pop(fd, None)
                if call is not None:
                    threading.Thread(target=call, daemon=True, name="exited").start()


def wait_exit(pidfd: int, timeout: float) -> bool:
    """Whether the process ended within `timeout` seconds."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(max(0, timeout) * 1000))


def is_told(pipe: int, timeout: float = 0) -> bool:
    """Whether a byte waits in the pipe; a hung-up writer is no byte."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    return any(what & select.POLLIN for _, what in poll.poll(timeout * 1000))


def wait_told_or_exit(pipe: int, pidfd: int, timeout: float) -> None:
    """Wait until a byte waits in the pipe or the process has ended."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    poll.poll(timeout * 1000)


def send(pidfd: int, number: signal.Signals) -> None:
    """Signal a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, number)


def signal_all(pid: int, number: signal.Signals) -> None:
    """A signal to everything in the pid namespace of `pid`: SIGSTOP freezes a node."""
    namespace = pid_namespace(pid)
    for name in os.listdir("/proc"):
        if name.isdigit() and namespace is not None and pid_namespace(int(name)) == namespace:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(name), number)


def pid_namespace(pid: int) -> str | None:
    """The name of the pid namespace of a process, None when it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def process_lives(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
