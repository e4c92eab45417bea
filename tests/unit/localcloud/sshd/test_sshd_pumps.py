"""Bytes between a channel and a child: order, back pressure, ends, with real pipes and no server."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from starcluster.localcloud.hosts.sshd_pumps import Inlet, Outlet, open_pipe


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 10))


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0)


class Channel:
    """What asyncssh's does when it is held: it keeps what comes, and tells the end right after the last of it."""

    def __init__(self) -> None:
        self.held = False
        self.calls: list[str] = []
        self.late: list[bytes] = []
        self.inlet: Inlet | None = None

    def hold(self) -> None:
        self.held = True
        self.calls.append("hold")

    def release(self) -> None:
        self.held = False
        self.calls.append("release")
        assert self.inlet is not None
        while self.late and (not self.held or self.late == [b""]):
            data = self.late.pop(0)
            if data:
                self.inlet.feed(data)
            else:
                self.inlet.end()

    def send(self, data: bytes) -> None:
        assert self.inlet is not None
        if self.held:
            self.late.append(data)
        elif data:
            self.inlet.feed(data)
        else:
            self.inlet.end()


async def read_all(fd: int) -> bytes:
    os.set_blocking(fd, False)
    taken = b""
    while True:
        try:
            data = os.read(fd, 10_000)
        except BlockingIOError:
            await asyncio.sleep(0)
            continue
        if not data:
            return taken
        taken += data


def test_an_inlet_holds_a_fast_client_back_and_loses_nothing() -> None:
    async def work() -> None:
        theirs, ours = open_pipe(ours=1)
        channel = Channel()
        channel.inlet = Inlet(ours, channel.hold, channel.release)
        chunks = [os.urandom(400_000) for _ in range(5)]
        for chunk in chunks:
            channel.send(chunk)
        channel.send(b"")  # the end comes while much is waiting still
        assert channel.calls == ["hold"]
        assert await read_all(theirs) == b"".join(chunks)
        assert channel.calls.count("hold") == channel.calls.count("release")
        os.close(theirs)

    run(work())


def test_an_inlet_whose_reader_is_gone_lets_the_client_go_on() -> None:
    async def work() -> None:
        theirs, ours = open_pipe(ours=1)
        channel = Channel()
        channel.inlet = Inlet(ours, channel.hold, channel.release)
        channel.send(b"x" * 1_000_000)
        os.close(theirs)
        await until(lambda: "release" in channel.calls)
        channel.send(b"more")
        channel.send(b"")
        with pytest.raises(OSError):
            os.fstat(ours)

    run(work())


def test_an_outlet_passes_on_and_ends_once() -> None:
    async def work() -> None:
        ours, theirs = open_pipe(ours=0)
        got: list[bytes] = []
        ends: list[int] = []
        outlet = Outlet(ours, got.append, lambda: ends.append(1))
        os.write(theirs, b"one")
        await until(lambda: got == [b"one"])
        os.write(theirs, b"two")
        os.close(theirs)
        await until(lambda: bool(ends))
        outlet.drain()
        outlet.close()
        assert (b"".join(got), ends) == (b"onetwo", [1])

    run(work())


def test_a_paused_outlet_reads_nothing() -> None:
    async def work() -> None:
        ours, theirs = open_pipe(ours=0)
        got: list[bytes] = []
        outlet = Outlet(ours, got.append, lambda: None)
        outlet.pause()
        os.write(theirs, b"x")
        for _ in range(5):
            await asyncio.sleep(0)
        assert got == []
        outlet.resume()
        await until(lambda: got == [b"x"])
        outlet.close()
        os.close(theirs)

    run(work())


def test_draining_ends_though_the_other_side_is_open() -> None:
    async def work() -> None:
        ours, theirs = open_pipe(ours=0)
        got: list[bytes] = []
        ends: list[int] = []
        outlet = Outlet(ours, got.append, lambda: ends.append(1))
        os.write(theirs, b"last words")
        outlet.drain()
        assert (got, ends) == ([b"last words"], [1])
        os.close(theirs)

    run(work())
