"""Both ends of a copy in one process, joined by pipes that may be cut or change what goes through."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from starcluster.copyends import wire as w
from starcluster.copyends.receiver import Receiver
from starcluster.copyends.sender import Sender


class Sums(w.Meter):
    def __init__(self) -> None:
        self.expected, self.came = 0, 0

    def expect(self, total: int) -> None:
        self.expected = total

    def add(self, count: int) -> None:
        self.came += count


class Through:
    """What the sender writes into: lets so many bytes pass, then the connection is cut; may change what passes."""

    def __init__(self, sink: Any, limit: int | None, change: Callable[[bytes], bytes] | None) -> None:
        self.sink, self.left, self.change = sink, limit, change

    def write(self, data: bytes) -> int:
        if self.change:
            data = self.change(bytes(data))
        if self.left is not None and len(data) > self.left:
            self.sink.write(data[: self.left])
            self.sink.close()
            raise BrokenPipeError
        if self.left is not None:
            self.left -= len(data)
        self.sink.write(data)
        return len(data)

    def flush(self) -> None:
        if not self.sink.closed:
            self.sink.flush()

    def close(self) -> None:
        self.sink.close()


def copy(
    sources: list[Any],
    target: Any,
    *,
    cut_after: int | None = None,
    change: Callable[[bytes], bytes] | None = None,
    receiver: type[Receiver] = Receiver,
    sender: type[Sender] = Sender,
    meter: w.Meter | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Copy; what the receiver said, or the sender's exception."""
    down, up = os.pipe(), os.pipe()
    told: list[BaseException] = []

    def receive() -> None:
        wire = w.Wire(os.fdopen(down[0], "rb", 0), os.fdopen(up[1], "wb"))
        try:
            receiver(wire, os.fsencode(target), **{"trusted": True, **options}).run()
        except (w.Lost, w.Refused) as error:
            told.append(error)
        finally:
            for pipe in (wire.source, wire.sink):
                try:
                    pipe.close()
                except OSError:
                    pass

    thread = threading.Thread(target=receive)
    thread.start()
    sink: Any = Through(os.fdopen(down[1], "wb"), cut_after, change)
    with os.fdopen(up[0], "rb", 0) as answers:
        try:
            return sender(w.Wire(answers, sink), meter=meter).run([os.fsencode(source) for source in sources])
        except w.Lost as lost:
            raise (told[0] if told and isinstance(told[0], w.Refused) else lost) from None
        finally:
            try:
                sink.close()
            except OSError:
                pass
            thread.join()
