"""The daemon's side of the gate of hosts.sshd_gate: orders about commands carried out, their passages noted."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from starcluster.localcloud.api.calls import CallLog
from starcluster.localcloud.api.faults import CONNECTION_RESET, Command, Fault, Faults, Hold, When
from starcluster.localcloud.api.wire import client_alive

log = logging.getLogger(__name__)

LINE_LIMIT = 1 << 20
PATIENCE = 30.0  # wall seconds for the first question; what is given to a command may take its time
GONE = "ClientGone"
EXIT_STATUSES = range(1, 256)
RUN: dict[str, Any] = {"do": "run"}


@dataclass(kw_only=True)
class Visit:
    """One command at the gate."""

    link: socket.socket
    lines: BinaryIO
    command: Command
    address: str
    began: float

    def say(self, **answer: Any) -> None:
        self.link.sendall(json.dumps(answer).encode() + b"\n")

    def alive(self) -> bool:
        return client_alive(self.link)


class CommandGate:
    """Listens while any order is about commands; `instance_at` tells whose private address that is."""

    def __init__(self, path: Path, *, faults: Faults, log: CallLog, instance_at: Callable[[str], str | None]) -> None:
        self._path = path
        self._faults = faults
        self._log = log
        self._instance_at = instance_at
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        path.unlink(missing_ok=True)  # a killed daemon's

    def refresh(self) -> None:
        """Open or close, as the orders are now."""
        with self._lock:
            wanted = bool(self._faults.commands())
            if wanted and self._listener is None:
                self._open()
            elif not wanted:
                self._close()

    def stop(self) -> None:
        """Take no more; who waits passes when the daemon has ended."""
        with self._lock:
            self._close()

    def _open(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._path.chmod(0o600)  # the nodes' SSH servers are root
        self._listener.listen(128)
        threading.Thread(target=self._accept, args=(self._listener,), name="gate", daemon=True).start()

    def _close(self) -> None:
        if self._listener is None:
            return
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(link,), name="gate-visit", daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with link, link.makefile("rb") as lines:
            try:
                visit = self._visitor(link, lines)
                if visit is not None:
                    self._pass(visit)
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.info("a command at the gate: %s", error)
        self.refresh()  # it may have been the last that was waited for

    def _visitor(self, link: socket.socket, lines: BinaryIO) -> Visit | None:
        """The command that has come, with its input; None when nobody waits for it or its client is gone."""
        link.settimeout(PATIENCE)
        asked = json.loads(lines.readline(LINE_LIMIT))
        text = str(asked["command"])
        watched = any(each.text in text for each in self._faults.commands())
        link.sendall(json.dumps({"watched": watched}).encode() + b"\n")
        link.settimeout(None)
        line = lines.readline(LINE_LIMIT) if watched else b""
        if not line:
            return None
        command = Command(text=text, given=str(json.loads(line)["given"]))
        return Visit(link=link, lines=lines, command=command, address=str(asked["address"]), began=time.time())

    def _pass(self, visit: Visit) -> None:
        fault = self._faults.strike(visit.command)
        if fault is not None and fault.when is When.BEFORE:
            self._fail(visit, fault)
            return
        hold = self._faults.claim(visit.command)
        if hold is not None and hold.when is When.BEFORE and not self._faults.park(hold, visit.alive):
            self._note(visit, GONE)
            return
        late = hold if hold is not None and hold.when is When.AFTER else None
        if late is None and fault is None:
            self._note(visit, None)
            visit.say(**RUN)
            return
        visit.say(**RUN, tell=True)
        self._after(visit, late, fault)

    def _after(self, visit: Visit, hold: Hold | None, fault: Fault | None) -> None:
        """It runs; what comes of it is kept back until then."""
        ended = bool(visit.lines.readline(LINE_LIMIT))
        held = hold is None or self._faults.park(hold, visit.alive)  # one whose client is gone leaves at once
        if not (ended and held):
            self._note(visit, GONE)
        elif fault is not None:
            self._fail(visit, fault)
        else:
            self._note(visit, None)
            visit.say(**RUN)

    def _fail(self, visit: Visit, fault: Fault) -> None:
        self._note(visit, fault.code)
        if fault.code == CONNECTION_RESET:
            visit.say(do="reset")
        else:
            status = fault.status if fault.status in EXIT_STATUSES else 1
            visit.say(do="fail", status=status, message=fault.message)

    def _note(self, visit: Visit, error: str | None) -> None:
        instance = self._instance_at(visit.address)
        self._log.command(
            text=visit.command.text, given=visit.command.given, began=visit.began,
            ids=[instance] if instance else [], error=error,
        )  # fmt: skip
