"""Forking and reaping for a node's pid 1: every child of the node ends here, ours and orphans alike."""

import fcntl
import os
import resource
import signal
import sys
import termios
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from starcluster.localcloud.hosts.sshd_accounts import Account, become

Ended = Callable[[int], None]
RESET = (
    signal.SIGCHLD,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGPIPE,
    signal.SIGXFSZ,
)


class Reaper:
    """Collects every ended child and tells those who asked for it; the rest are orphans and just go."""

    def __init__(self) -> None:
        self._waiting: dict[int, Ended] = {}

    def expect(self, pid: int, ended: Ended) -> None:
        """Have `ended(wait status)` called once `pid` is gone."""
        self._waiting[pid] = ended

    def reap(self) -> bool:
        """Collect what has ended; False when no child is left at all."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            ended = self._waiting.pop(pid, None)
            if ended is not None:
                ended(status)


@dataclass(frozen=True, kw_only=True)
class Streams:
    """The descriptors that a child gets as 0, 1 and 2; `terminal` when they are its controlling terminal."""

    stdin: int
    stdout: int
    stderr: int
    terminal: bool = False


def fork(run: Callable[[], int], streams: Streams) -> int:
    """Fork a child, a session of its own, that ends with what `run` returns. No other descriptor is kept."""
    everything = signal.valid_signals()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, everything)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _child(run, streams)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _child(run: Callable[[], int], streams: Streams) -> NoReturn:
    status = 255
    try:
        # the parent's loop is woken through a socket that the child shares until it is closed
        signal.set_wakeup_fd(-1)
        for number in RESET:
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        _take_streams(streams)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        status = run()
    except BaseException as error:  # noqa: BLE001  a forked child must never return into its parent's code
        os.write(2, f"{type(error).__name__}: {error}\n".encode(errors="replace"))
    finally:
        os._exit(status)


def _take_streams(streams: Streams) -> None:
    # upwards first, so that none is overwritten before it is copied
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (streams.stdin, streams.stdout, streams.stderr)]
    for target, fd in enumerate(high):
        os.dup2(fd, target)
    os.closerange(3, _descriptor_limit())
    if streams.terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _descriptor_limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if 0 < soft < 1 << 20 else 1 << 20


def run_as(account: Account, argv: list[str], path: str, environment: Mapping[str, str]) -> int:
    """Turn a forked child into `path` run by the account in its home. Returns only when that cannot be."""
    enter(account)
    try:
        os.execve(path, argv, dict(environment))
    except OSError as error:
        os.write(2, f"{path}: {error.strerror}\n".encode())
    return 1


def enter(account: Account) -> None:
    """Become the account, in its home; where that cannot be entered the child says so and stays in /."""
    become(account)
    os.umask(0o022)
    try:
        os.chdir(account.home)
    except OSError as error:
        os.chdir("/")
        os.write(2, f"Could not chdir to home directory {account.home}: {error.strerror}\n".encode())
