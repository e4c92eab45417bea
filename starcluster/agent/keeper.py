"""The keeper of one attempt: starts the command, outlives the agent, writes down how the command ended.

It holds the machine's run lock as long as any process of the command lives, so that no second command can start
beside it, whoever asks. An attempt that has a status was started once and is never started again.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import signal
import sys
import time
from typing import Any

from starcluster.agent import files, processes
from starcluster.agent.become import CAN_NOT_START, become
from starcluster.agent.boot import boot_id
from starcluster.agent.logfile import LogFile, Pump

PR_SET_CHILD_SUBREAPER = 36
BUSY = 75
SETUP = "setup"
_LET_GO = 2.0
_LAST_LINES = 10.0  # seconds for what is still in the pipe when the command is gone


def status_path(folder: str) -> str:
    """It is on the disk before the command starts: where there is one, the attempt was started."""
    return os.path.join(folder, "status.json")


def kept_status(folder: str, spares: str) -> files.Kept:
    return files.Kept(status_path(folder), spares)


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
    _Keeping(folder, spec).run()
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


def log_of(spec: dict[str, Any]) -> LogFile:
    return LogFile(spec["log"], limit=int(spec.get("log_limit") or 0))


class _Keeping:
    """One attempt from its start to its last process's end."""

    def __init__(self, folder: str, spec: dict[str, Any]) -> None:
        self.folder, self.spec = folder, spec
        self.spares = str(spec.get("spares") or "")
        self.status: dict[str, Any] = {
            "attempt": spec["attempt"],
            "keeper": [os.getpid(), processes.start_of(os.getpid())],
            "boot_id": boot_id(),
            "started": time.time(),
        }

    def run(self) -> None:
        pipe = self.spec["pipe"]
        os.mkfifo(pipe, 0o600)
        held = os.open(pipe, os.O_RDWR | os.O_CLOEXEC)  # until the end, so that the pump meets no early end of file
        log = log_of(self.spec)
        log.write(b"")  # it is there from the beginning
        pump = Pump(pipe, log)
        pump.start()
        if self._set_up():
            # from here on orphans come to the keeper; a daemon that the setup left running is not of the command
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            self.status["stage"] = "command"
            self._wait_for_all(self._start(self.spec["command"]))
        pump.finish(_LAST_LINES)
        os.close(held)
        self._write(exit=self.status.get("main_exit"), ended=time.time(), ended_at=time.monotonic())

    def _write(self, **facts: Any) -> None:
        self.status.update(facts)
        if "command" not in self.status:
            return  # there is no status before there is a process
        if os.path.exists(status_path(self.folder)):
            kept_status(self.folder, self.spares).write(self.status)
        else:
            files.write_json(status_path(self.folder), self.status)  # nothing starts without it

    def _set_up(self) -> bool:
        """Run the setup command unless it went well on this instance before; False when the attempt ends with it."""
        command = str(self.spec.get("setup_command") or "")
        marker = self._beside(SETUP)
        mark = hashlib.sha256(command.encode()).hexdigest()
        if not command or (marker.read() or {}).get("command") == mark:
            return True
        self.status["stage"] = SETUP
        self._wait_for_all(self._start(command), all_of_it=False)
        if self.status["main_exit"] == 0:
            marker.write({"command": mark, "at": time.time()})
            del self.status["main_exit"], self.status["main_ended"]
            if (self._beside("drain").read() or {}).get("phase", "idle") == "idle":
                return True
            self.status["main_exit"] = -int(signal.SIGTERM)  # the node's end began meanwhile
        return False

    def _beside(self, name: str) -> files.Kept:
        """A file of the name's state on this instance, beside the attempts."""
        return files.Kept(os.path.join(os.path.dirname(self.folder.rstrip("/")), f"{name}.json"), self.spares)

    def _start(self, command: str) -> int:
        """The command waits behind a pipe until its start is on the disk: there is no run without a status."""
        gate, opener = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(opener)
            os.setsid()
            if os.read(gate, 1):
                become(self.spec, command)
            os._exit(CAN_NOT_START)
        os.close(gate)
        self._write(command=[pid, processes.start_of(pid)])
        os.write(opener, b"g")
        os.close(opener)
        return pid

    def _wait_for_all(self, main: int, *, all_of_it: bool = True) -> None:
        """Until the last process that came of it is gone, or the main one; whose status is the command's."""
        while True:
            try:
                pid, word = os.waitpid(-1, 0)
            except ChildProcessError:
                return
            if pid == main:
                status = os.WEXITSTATUS(word) if os.WIFEXITED(word) else -os.WTERMSIG(word)
                self._write(main_exit=status, main_ended=time.time())
                if not all_of_it:
                    return


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        sys.stderr.write("keep: FOLDER LOCK\n")
        return 2
    return keep(arguments[0], arguments[1])
