"""Whether the shared home can be used.

A child process asks: while the server is away the kernel may let whoever asks wait for ever.
"""

from __future__ import annotations

import errno
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

OK = "ok"
LOST = "lost"
HANGS = "hangs"
FULL = "full"

_BEAT = 10.0  # EC2's seconds between two checks when nothing calls for one
_LEAST_BEAT = 5.0
_LIMIT = 30.0  # EC2's seconds; a server that is busy answers late
_LEAST_LIMIT = 10.0
_FASTEST = 0.2  # two checks are not closer than that
_MOUNTS = "/proc/self/mountinfo"
_ROOM = 0.01  # of its size; less is still full, so that it is not said with every file that comes and goes
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# prints {"errno", "error"}, or how much is free for ordinary users
_ASK = """
import json, os, sys
try:
    found = os.statvfs(sys.argv[1])
    os.stat(sys.argv[1])
    no_files = found.f_files > 0 and found.f_favail == 0
    told = {"free": 0 if no_files else found.f_bavail * found.f_frsize, "size": found.f_blocks * found.f_frsize}
except OSError as error:
    told = {"errno": error.errno, "error": error.strerror}
print(json.dumps(told))
"""


class Home:
    """`changed(state, why, good)` is called at each change; `good`: when (steady) it was last seen to be well.

    `is_mount`: the folder itself is not enough, something has to be mounted there. `limit`: wall seconds for an answer.
    """

    def __init__(
        self,
        path: str,
        *,
        scale: float,
        is_mount: bool,
        changed: Callable[[str, str, float], None],
        ask: Sequence[str] = (sys.executable, "-I", "-S", "-c", _ASK),
        table: str = _MOUNTS,
        limit: float = 0.0,
    ) -> None:
        self.state, self.why = OK, ""
        self.checked = 0.0  # when (steady) the last check began that has ended
        self._path, self._is_mount, self._changed, self._ask, self._table = path, is_mount, changed, ask, table
        self._beat = max(_BEAT / scale, _LEAST_BEAT)
        self._limit = limit or max(_LIMIT / scale, _LEAST_LIMIT)
        self._good = 0.0
        self._mount = ""
        self._no_room = ""
        self._stuck: subprocess.Popen[bytes] | None = None
        self._wake, self._waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    @property
    def is_usable(self) -> bool:
        return self.state in (OK, FULL)

    def view(self) -> dict[str, Any]:
        """As the report tells it."""
        return {"state": self.state, "why": self.why}

    # what others notice -----------------------------------------------------------------------------------------

    def look_now(self) -> None:
        """Somebody has reason to doubt: check at once."""
        try:
            os.write(self._waker, b"!")
        except BlockingIOError:
            return  # it is about to wake up already

    def write_failed(self, error: OSError) -> None:
        """A write of our own to the shared home went wrong."""
        if error.errno in _NO_ROOM:
            self._no_room = os.strerror(error.errno or 0)
        if error.errno not in _NO_ROOM or self.state != FULL:
            self.look_now()

    def write_went_well(self) -> None:
        if self._no_room:
            self._no_room = ""
            self.look_now()

    # the watch --------------------------------------------------------------------------------------------------

    def run(self, ended: threading.Event) -> None:
        """Check again and again, at once when something is mounted or unmounted."""
        with open(self._table, "rb") as table:
            poll = select.poll()
            poll.register(table, select.POLLPRI | select.POLLERR)
            poll.register(self._wake, select.POLLIN)
            while not ended.is_set():
                self.check()
                ended.wait(_FASTEST)
                poll.poll(self._beat * 1000)
                self._forget_wakes()

    def _forget_wakes(self) -> None:
        try:
            os.read(self._wake, 4096)
        except BlockingIOError:
            return  # it was the mount table, or the time

    def check(self) -> None:
        """One check, which ends within its limit."""
        began = time.monotonic()
        state, why = self._look()
        mount = self._mounted()
        if state == OK and self.state == OK and self._mount not in ("", mount):
            self._tell(LOST, "it was mounted anew")  # what was open there is lost all the same
        if state in (OK, FULL):
            self._mount = mount
        self._tell(state, why)
        if state in (OK, FULL):
            self._good = began
        self.checked = began

    def _tell(self, state: str, why: str) -> None:
        changed, self.state, self.why = state != self.state, state, why
        if changed:
            self._changed(state, why, self._good)

    def _look(self) -> tuple[str, str]:
        if self._is_mount and not self._is_mounted():
            return LOST, f"nothing is mounted at {self._path}"
        told = self._told()
        if told is None:
            return HANGS, "it does not answer"
        if "error" in told:
            return LOST, str(told["error"])
        if self._no_room:
            return FULL, self._no_room
        size, free = int(told.get("size") or 0), int(told.get("free") or 0)
        if size and free <= (size * _ROOM if self.state == FULL else 0):
            return FULL, f"{free >> 20} MiB are free of {size >> 20}"
        return OK, ""

    def _told(self) -> dict[str, Any] | None:
        """The child's word; None when it does not answer. One that hangs is not joined by a second one."""
        if self._stuck is not None and self._stuck.poll() is None:
            return None
        process = self._stuck = subprocess.Popen(
            [*self._ask, self._path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        try:
            text = process.communicate(timeout=self._limit)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            if process.stdout:
                process.stdout.close()
            return None
        self._stuck = None
        try:
            found = json.loads(text)
        except ValueError:
            return {}  # the child itself failed, which says nothing of the home
        return found if isinstance(found, dict) else {}

    def _is_mounted(self) -> bool:
        """Asked twice: for a moment nothing is there when one mount gives way to another."""
        if not self._mounted():
            time.sleep(_FASTEST)
        return bool(self._mounted())

    def _mounted(self) -> str:
        """What tells the mount at the path from another one there; "" when there is none."""
        found = ""
        try:
            with open(self._table, encoding="utf-8", errors="replace") as table:
                for line in table:
                    fields = line.split()
                    if len(fields) > 4 and fields[4] == self._path:
                        found = f"{fields[0]} {fields[2]}"
        except OSError:
            return self._mount
        return found
