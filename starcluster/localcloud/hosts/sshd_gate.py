"""The gate that commands pass while somebody has ordered to hold, fail or write down some of them.

The cloud's daemon listens in a folder that every node sees, and only as long as there are such orders: without them
a command costs one look at the folder. The talk is JSON lines, each answered before the next:

    node: {"command", "address"}   gate: {"watched"}     not watched: it runs as if there were no gate
    node: {"given"}                gate: a verdict       its whole input, or so much of it
    node: {"ended": true}          gate: a verdict       only when the first one was {"do": "run", "tell": true}

Verdicts: {"do": "run"}, {"do": "fail", "status", "message"}, {"do": "reset"}. A gate that dies lets everything pass;
a node that hangs up has lost the client, and a command that waits then never runs.
"""

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any

from starcluster.localcloud.hosts.sshd_pumps import Inlet

SOCKET = "/run/localcloud/gate/command.sock"
GIVEN_LIMIT = 1 << 16  # bytes of input that the gate is told; more than that streams, and nobody waits for its end
KEPT_LIMIT = 1 << 20  # bytes of output that are kept back; what writes more is let speak
RUN: dict[str, Any] = {"do": "run"}

Write = Callable[[bytes], None]
Answer = dict[str, Any]


def is_open() -> bool:
    """Whether commands have to ask."""
    return os.path.exists(SOCKET)


class Gate:
    """One command's talk with the gate."""

    def __init__(self) -> None:
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def dial(self) -> None:
        self._reader, self._writer = await asyncio.open_unix_connection(SOCKET)

    async def ask(self, **question: Any) -> Answer:
        """OSError when the gate is gone."""
        if self._reader is None or self._writer is None:
            raise ConnectionError("the gate was not dialled")
        self._writer.write(json.dumps(question).encode() + b"\n")
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("the gate is gone")
        answer: Answer = json.loads(line)
        return answer

    def hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()


class Passage:
    """One command at the gate: its input is collected before it runs, its output kept back if that is to be held."""

    def __init__(self, channel: Any, connection: Any, command: str, address: str, start: Callable[[], None]) -> None:
        """`address` is the node's own; `start` runs the command and then takes the input by `hand_over`."""
        self._channel = channel
        self._connection = connection
        self._start = start
        self._gate = Gate()
        self._given = bytearray()
        self._given_all = asyncio.Event()
        self._at_end = False
        self._kept: list[tuple[Write, bytes]] | None = None
        self.asks_at_the_end = False
        self._task = asyncio.get_running_loop().create_task(self._enter(command, address))

    def feed(self, data: bytes) -> None:
        """The client sends, before the command runs."""
        self._given += data
        if len(self._given) >= GIVEN_LIMIT:
            self._channel.pause_reading()
            self._given_all.set()

    def end(self) -> None:
        """The client has sent all."""
        self._at_end = True
        self._given_all.set()

    def hand_over(self, inlet: Inlet) -> None:
        """The command runs: it gets what was sent meanwhile, and the rest directly."""
        inlet.feed(bytes(self._given))
        self._given.clear()
        if self._at_end:
            inlet.end()
        elif not inlet.is_full:
            self._channel.resume_reading()

    def kept(self, write: Write) -> Write:
        """The way of the command's output: to the client, or first into store."""
        return (lambda data: self._keep(write, data)) if self._kept is not None else write

    def leave(self, report: Callable[[], None]) -> None:
        """The command has ended; `report` is called once the client may know."""
        self.asks_at_the_end = False
        self._task = asyncio.get_running_loop().create_task(self._leave(report))

    def close(self) -> None:
        """The client is gone."""
        self.asks_at_the_end = False
        self._kept = None
        self._task.cancel()
        self._gate.hang_up()

    async def _enter(self, command: str, address: str) -> None:
        verdict = RUN
        try:
            await self._gate.dial()
            if (await self._gate.ask(command=command, address=address))["watched"]:
                await self._given_all.wait()
                verdict = await self._gate.ask(given=self._given.decode(errors="replace"))
        except OSError:
            verdict = RUN
        if verdict["do"] != "run":
            self._refuse(verdict)
            return
        self.asks_at_the_end = bool(verdict.get("tell"))
        if self.asks_at_the_end:
            self._kept = []
        else:
            self._gate.hang_up()
        self._start()

    async def _leave(self, report: Callable[[], None]) -> None:
        try:
            verdict = await self._gate.ask(ended=True)
        except OSError:
            verdict = RUN
        if verdict["do"] != "run":
            self._refuse(verdict)
            return
        self._let_out()
        report()

    def _refuse(self, verdict: Answer) -> None:
        """The client hears of a failure, or of nothing any more."""
        self._gate.hang_up()
        if verdict["do"] == "reset":
            self._connection.abort()
            return
        self._channel.write_stderr(f"{verdict['message']}\n".encode(errors="replace"))
        self._channel.exit(int(verdict["status"]))

    def _keep(self, write: Write, data: bytes) -> None:
        if self._kept is None:
            write(data)
            return
        self._kept.append((write, data))
        if sum(len(each) for _, each in self._kept) > KEPT_LIMIT:
            self._let_out()

    def _let_out(self) -> None:
        kept, self._kept = self._kept or [], None
        for write, data in kept:
            write(data)
