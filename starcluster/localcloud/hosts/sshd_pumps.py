"""Bytes between an SSH channel and a child's descriptors, without ever blocking the loop."""

import asyncio
import collections
import fcntl
import os
from collections.abc import Callable

CHUNK = 1 << 16
PIPE_SIZE = 1 << 18


def open_pipe(*, ours: int) -> tuple[int, int]:
    """A roomy pipe whose end number `ours` (0 read, 1 write) does not block."""
    ends = os.pipe()
    try:
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    except OSError:
        pass  # the user's share of pipe memory is used up: the ordinary size does as well
    os.set_blocking(ends[ours], False)
    return ends


class Outlet:
    """Reads what the child writes and passes it on; `ended` is called at its end. Owns the descriptor."""

    def __init__(self, fd: int, write: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._fd = fd
        self._write = write
        self._ended = ended
        self._open = True
        self.resume()

    def pause(self) -> None:
        """Stop reading: the channel has enough."""
        if self._open:
            self._loop.remove_reader(self._fd)

    def resume(self) -> None:
        """Read on."""
        if self._open:
            self._loop.add_reader(self._fd, self._readable)

    def drain(self) -> None:
        """Pass on what is there now, then end, though others may hold the other side open."""
        while self._open and self._readable():
            pass
        self._finish()

    def close(self) -> None:
        """Read no more and tell nobody."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._fd)
            os.close(self._fd)

    def _readable(self) -> bool:
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # EIO: nobody has the terminal open any more
            data = b""
        if not data:
            self._finish()
            return False
        self._write(data)
        return True

    def _finish(self) -> None:
        if self._open:
            self.close()
            self._ended()


class Inlet:
    """Writes to the child what the client sends; holds the channel back while the child is slow."""

    def __init__(self, fd: int, hold: Callable[[], None], release: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._fd = fd
        self._hold = hold
        self._release = release
        self._waiting: collections.deque[memoryview] = collections.deque()
        self._open = True
        self._eof = False

    @property
    def is_full(self) -> bool:
        """Whether the child has yet to take what was fed; the channel is held back until then."""
        return bool(self._waiting)

    def feed(self, data: bytes) -> None:
        """Write `data`, now or when the child takes it. Dropped once the child has closed its side."""
        if not self._open or not data:
            return
        self._waiting.append(memoryview(data))
        if len(self._waiting) == 1:
            self._writable()
            if self._open and self._waiting:
                self._hold()
                self._loop.add_writer(self._fd, self._writable)

    def end(self) -> None:
        """The client sends no more: close the child's input once all is written."""
        self._eof = True
        if not self._waiting:
            self.close()

    def close(self) -> None:
        """Give up, whatever waits."""
        if self._open:
            self._open = False
            self._loop.remove_writer(self._fd)
            os.close(self._fd)
            if self._waiting:
                self._waiting.clear()
                self._release()

    def _writable(self) -> None:
        try:
            while self._waiting:
                view = self._waiting[0]
                written = os.write(self._fd, view)
                if written < len(view):
                    self._waiting[0] = view[written:]
                else:
                    self._waiting.popleft()
        except BlockingIOError:
            return
        except OSError:  # EPIPE, EIO: the child wants no more
            self.close()
            return
        if self._loop.remove_writer(self._fd):
            self._release()  # which may feed us at once
        if self._eof and not self._waiting:
            self.close()
