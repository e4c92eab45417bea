"""Nodes in memory whose agents keep the promises of starcluster/agent: what happens on them takes time.

A node answers by SSH, and its reports reach the shared /home; either way can be cut. `works` is the truth about the
command, whatever anybody has been told.
"""

from __future__ import annotations

from typing import Any

SAVING = 10.0  # seconds from a notice to the last flush


class Node:
    """One instance's machine; `up` while EC2 runs it."""

    def __init__(self, instance_id: str) -> None:
        self.instance_id = instance_id
        self.boot = 1
        self.up = False
        self.reachable = True
        self.shares = True  # it reaches /home
        self.python = True
        self.installed = False
        self.started = False
        self.stands_by = False
        self.phase = "idle"
        self.noticed = False
        self.rebalance = ""
        self.ran: list[int] = []
        self.run: dict[str, Any] | None = None
        self.seq = 1

    @property
    def works(self) -> bool:
        return self.up and self.run is not None and self.run["state"] == "running"

    @property
    def boot_id(self) -> str:
        return f"boot-{self.boot}"

    def report(self) -> dict[str, Any]:
        noticed = self.phase != "idle"
        return {
            "instance_id": self.instance_id,
            "boot_id": self.boot_id,
            "phase": "running" if self.phase == "idle" and self.works else self.phase,
            "run": dict(self.run) if self.run else None,
            "notice": {"action": "terminate", "time": 1} if noticed else None,
            "rebalance": self.rebalance,
            "stamps": [],
            "seq": self.seq,
        }

    # what befalls it

    def power_off(self) -> None:
        self.up = self.started = False
        if self.run and self.run["state"] == "running":
            self.run = {**self.run, "state": "lost"}

    def power_on(self) -> None:
        self.up = True

    def reboot(self) -> None:
        self.power_off()
        self.boot += 1
        self.up = True

    def end(self, status: int) -> None:
        """The command ends by itself."""
        if self.works and self.run:
            self.run = {**self.run, "state": "exited", "exit": status, "ended": 2.0}
            self.seq += 1

    def begin_drain(self) -> None:
        """The agent hears a notice, or is told to drain; `saved` ends it."""
        if self.started and self.phase == "idle":
            self.phase = "draining"
            self.seq += 1

    def saved(self) -> None:
        if not (self.up and self.started and self.phase == "draining"):
            return
        self.phase = "drained"
        self.seq += 1
        if self.works and self.run:
            self.run = {**self.run, "state": "exited", "exit": 0, "interrupted": True, "ended": 2.0}

    # what it is told

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        if order["op"] == "start":
            self.started = True
            self.stands_by = bool(order.get("settings", {}).get("stands_by"))
            if self.noticed:
                self.begin_drain()
        elif not self.started:
            return {"ok": False, "kind": "absent", "error": "no agent runs"}
        elif order["op"] == "run":
            return self._run(int(order["attempt"]))
        elif order["op"] == "drain":
            self.begin_drain()
        return {"ok": True, "report": self.report()}

    def _run(self, number: int) -> dict[str, Any]:
        if self.phase != "idle":
            return {"ok": False, "kind": "busy", "error": f"the node is {self.phase}"}
        if number in self.ran:
            return {"ok": True, "started": False}
        if self.works:
            return {"ok": False, "kind": "busy", "error": "another attempt still runs"}
        self.ran.append(number)
        self.seq += 1
        self.run = {"attempt": number, "state": "running", "started": 1.0, "boot_id": self.boot_id}
        return {"ok": True, "started": True}
