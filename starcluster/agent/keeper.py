"""The keeper of one attempt: starts the command, outlives the agent, writes down how the command ended.

It holds the machine's run lock as long as any process of the command lives, so that no second command can start
beside it, whoever asks. An attempt that has a status was started once and is never started again.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import pwd
import signal
import sys
import time
from typing import Any

from starcluster.agent import files, processes
from starcluster.agent.boot import boot_id

PR_SET_CHILD_SUBREAPER = 36
CAN_NOT_START = 126
BUSY = 75
_LET_GO = 2.0


def status_path(folder: str) -> str:
    return os.path.join(folder, "status.json")


def spec_path(folder: str) -> str:
    return os.path.join(folder, "spec.json")


def keep(folder: str, lock_path: str) -> int:
    """Run the command of the folder's spec to its end; BUSY when another one runs."""
    lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not _take(lock):
        return BUSY
    spec = files.read_json(spec_path(folder))
    if spec is None or os.path.exists(status_path(folder)):
        return 0
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _run(folder, spec)
    return 0


def _take(lock: int) -> bool:
    """Take the run lock; a keeper that has just written its end lets go within a moment."""
    end = time.monotonic() + _LET_GO
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.05)


def _run(folder: str, spec: dict[str, Any]) -> None:
    """The command waits behind a pipe until its start is on the disk: there is no run without a status."""
    gate, opener = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(opener)
        _become_command(spec, gate)
    os.close(gate)
    status = {
        "attempt": spec["attempt"],
        "keeper": [os.getpid(), processes.start_of(os.getpid())],
        "command": [pid, processes.start_of(pid)],
        "boot_id": boot_id(),
        "started": time.time(),
    }
    files.write_json(status_path(folder), status)
    os.write(opener, b"g")
    os.close(opener)
    _wait_for_all(folder, status, pid)


def _wait_for_all(folder: str, status: dict[str, Any], main: int) -> None:
    """Until the last process that came of the command is gone; the main one's status is the command's."""
    while True:
        try:
            pid, word = os.waitpid(-1, 0)
        except ChildProcessError:
            break
        if pid == main:
            status["main_exit"] = os.WEXITSTATUS(word) if os.WIFEXITED(word) else -os.WTERMSIG(word)
            status["main_ended"] = time.time()
            files.write_json(status_path(folder), status)
    status["exit"] = status.get("main_exit")
    status["ended"] = time.time()
    files.write_json(status_path(folder), status)


def _become_command(spec: dict[str, Any], gate: int) -> None:
    """In the child: own session, the log as output, the user's rights, then bash. Never returns."""
    try:
        os.setsid()
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        started = os.read(gate, 1)
        if not started:
            os._exit(CAN_NOT_START)
        _redirect(spec["log"])
        environment = _become_user(spec)
        os.chdir(spec["workdir"])
        os.execve("/bin/bash", ["bash", "-lc", spec["command"]], environment)
    except (OSError, KeyError, ValueError) as error:
        os.write(2, f"starcluster: the command can not be started: {error}\n".encode())
    os._exit(CAN_NOT_START)


def _redirect(log: str) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(source, target)


def _become_user(spec: dict[str, Any]) -> dict[str, str]:
    """Take the user's rights and return the environment of a fresh login."""
    try:
        who = pwd.getpwnam(spec["run_as"]) if spec.get("run_as") else pwd.getpwuid(os.getuid())
    except KeyError:
        raise ValueError(f"there is no user '{spec.get('run_as')}' on this node") from None
    if who.pw_uid != os.getuid():
        os.initgroups(who.pw_name, who.pw_gid)
        os.setgid(who.pw_gid)
        os.setuid(who.pw_uid)
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "HOME": who.pw_dir,
        "USER": who.pw_name,
        "LOGNAME": who.pw_name,
        "SHELL": who.pw_shell or "/bin/bash",
    }
    environment.update({str(key): str(value) for key, value in spec.get("environment", {}).items()})
    return environment


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        sys.stderr.write("keep: FOLDER LOCK\n")
        return 2
    return keep(arguments[0], arguments[1])
