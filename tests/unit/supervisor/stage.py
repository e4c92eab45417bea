"""A driver's site in memory: FakeEc2, nodes with a fake agent each, and a clock that is stepped."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from starcluster import exception
from starcluster.cluster.costs import Meter
from starcluster.cluster.drives.records import DriveRecords
from starcluster.cluster.namerecord import Intent, NameRecord, NameRecords
from starcluster.cluster.record import PREPARED, READY, resource_tags
from starcluster.model import Instance, InstanceState, LaunchRequest, Market
from starcluster.supervisor.accounting import Accountant
from starcluster.supervisor.drivesight import DriveSight
from starcluster.supervisor.drivewishes import DriveWish
from starcluster.supervisor.execute import Executor, Settings
from starcluster.supervisor.journal import Journal
from starcluster.supervisor.lease import Holder
from starcluster.supervisor.loop import Driver, Site
from starcluster.supervisor.memory import Memory
from starcluster.supervisor.observe import Observer
from starcluster.supervisor.wishes import Wish
from tests.fakes.clock import StepClock as SteadyClock
from tests.fakes.ec2 import START, FakeEc2

TAG = "mycluster"


class StepClock(SteadyClock):
    """Its wall time is finer than what a record keeps of a moment, and never behind that of the fake EC2."""

    def __init__(self) -> None:
        super().__init__(1000.0)

    def now(self) -> datetime:
        return START + timedelta(seconds=self.time, microseconds=7)


@dataclass
class FakeAgent:
    """One node's machine: its agent, the command's last run, and what was ever started there."""

    instance_id: str
    python: bool = True
    installed: bool = False
    started: bool = False
    reachable: bool = True
    phase: str = "idle"
    run: dict[str, Any] | None = None
    seq: int = 1
    ran: list[int] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    refuse: str = ""
    rebalance: str = ""
    home: dict[str, str] = field(default_factory=dict)
    stands_by: bool = False
    ends_with: int | None = None
    stamps: list[dict[str, Any]] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        phase = "running" if self.phase == "idle" and self.run and self.run["state"] == "running" else self.phase
        return {
            "instance_id": self.instance_id,
            "boot_id": "boot-1",
            "phase": phase,
            "run": self.run,
            "notice": {"action": "terminate", "time": 1} if self.phase != "idle" else None,
            "rebalance": self.rebalance,
            "stamps": self.stamps,
            "home": self.home,
            "seq": self.seq,
        }

    def end(self, status: int) -> None:
        assert self.run is not None
        self.run.update(state="exited", exit=status, ended=2.0)
        self.seq += 1

    def drain(self) -> None:
        self.phase = "drained"
        if self.run and self.run["state"] == "running":
            self.run.update(state="exited", exit=0, interrupted=True)
        self.seq += 1

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        self.orders.append(order)
        if self.refuse:
            return {"ok": False, "kind": "failed", "error": self.refuse}
        if order["op"] == "start":
            self.started = True
            self.stands_by = bool(order["settings"].get("stands_by"))
        elif not self.started:
            return {"ok": False, "kind": "absent", "error": "no agent runs"}
        elif order["op"] == "run":
            return self._run(order)
        return {"ok": True, "report": self.report()}

    def _run(self, order: dict[str, Any]) -> dict[str, Any]:
        number = order["attempt"]
        if self.phase != "idle":
            return {"ok": False, "kind": "busy", "error": f"the node is {self.phase}"}
        if number in self.ran:
            return {"ok": True, "started": False}
        if self.run and self.run["state"] == "running":
            return {"ok": False, "kind": "busy", "error": "another attempt still runs"}
        self.ran.append(number)
        self.seq += 1
        self.run = {"attempt": number, "state": "running", "started": 1.0, "boot_id": "boot-1"}
        if self.ends_with is not None:
            self.end(self.ends_with)
        return {"ok": True, "started": True}


class FakeShell:
    def __init__(self, answer: Callable[[dict[str, Any]], dict[str, Any]], agent: FakeAgent) -> None:
        self._answer, self._agent = answer, agent

    def run(self, command: str, *, data: bytes = b"", timeout: float | None = None) -> tuple[int, bytes, bytes]:
        if not self._agent.reachable:
            raise exception.SSHConnectionError("no route to host")
        if command.startswith("test "):
            return (0 if self._agent.installed else 1), b"", b""
        if not command.endswith("call -"):
            self._agent.installed = self._agent.python
            return (0, b"", b"") if self._agent.python else (3, b"", b"the node has no python3")
        if not self._agent.installed:
            return 127, b"", b"not found"
        return 0, json.dumps(self._answer(json.loads(data))).encode(), b""


def launch_request_of(*, alias: str, intent: Intent, tags: dict[str, str]) -> LaunchRequest:
    """What the real machines ask EC2 for by this intent, as far as a fake heeds it."""
    return LaunchRequest(
        image_id="ami-1",
        instance_type=intent.pool.instance_type,
        zone=intent.pool.zone,
        market=intent.pool.market,
        token=intent.token,
        tags=resource_tags(TAG, alias, tags),
        key_name="key",
        group_ids=("sg-1",),
        max_price=intent.max_price,
    )


class FakeMachines:
    def __init__(self, ec2: FakeEc2) -> None:
        self.ec2 = ec2
        self.agents: dict[str, FakeAgent] = {}
        self.set_ups: list[str] = []
        self.prepared: list[tuple[str, bool]] = []
        self.fail_set_up: list[Exception] = []
        self.brought: list[tuple[str, str, str]] = []
        self.kept: list[str] = []
        self.fail_keep: list[Exception] = []
        self.shared = True
        self.python = True
        self.ends_with: int | None = None

    def agent(self, instance_id: str) -> FakeAgent:
        return self.agents.setdefault(instance_id, FakeAgent(instance_id, python=self.python, ends_with=self.ends_with))

    def group_id(self) -> str:
        return "sg-1"

    def shell(self, instance: Instance) -> FakeShell:
        agent = self.agent(instance.id)
        return FakeShell(self._look if instance.alias == "master" else agent.answer, agent)

    def _look(self, order: dict[str, Any]) -> dict[str, Any]:
        """The master's agent: the last report of each name's newest node that ever reported."""
        reports = {}
        for name in order["names"]:
            known = [one for one in self.ec2.instances.all.values() if one.alias == name]
            agents = [self.agents[one.id] for one in known if one.id in self.agents]
            told = [one for one in agents if one.started and not one.stands_by]
            report = told[-1].report() if told and self.shared else None
            reports[name] = {"report": report, "age": 0.0, "last_run": 0}
        return {"ok": True, "reports": reports}

    def launch_request(self, *, alias: str, intent: Intent, tags: dict[str, str]) -> LaunchRequest:
        return launch_request_of(alias=alias, intent=intent, tags=tags)

    def set_up(self, instance: Instance, *, drives: Sequence[DriveWish], progress: Callable[[str], None]) -> Instance:
        if self.fail_set_up:
            raise self.fail_set_up.pop(0)
        progress("ssh up")
        self.set_ups.append(instance.id)
        self.brought += [(instance.id, one.name, one.path) for one in drives]
        self.ec2.instances.tag([instance.id], {READY: "boot-1"})
        return self.ec2.instances.all[instance.id]

    def keep_drive(self, name: str) -> str:
        if self.fail_keep:
            raise self.fail_keep.pop(0)
        self.kept.append(name)
        return f"snap-{len(self.kept)}"

    def prepare(self, instance: Instance, *, plugins: bool, progress: Callable[[str], None]) -> None:
        if self.fail_set_up:
            raise self.fail_set_up.pop(0)
        self.prepared.append((instance.id, plugins))

    def mark_prepared(self, instance: Instance) -> None:
        self.ec2.instances.tag([instance.id], {PREPARED: "yes"})

    def remove(self, instance: Instance) -> None:
        self.ec2.instances.terminate([instance.id])


class Scene:
    """One cluster whose master runs; `driver()` is a new driver that remembers nothing."""

    def __init__(self, folder: Path) -> None:
        self.ec2 = FakeEc2()
        self.clock = StepClock()
        self.machines = FakeMachines(self.ec2)
        self.folder = folder
        self.records = NameRecords(self.ec2.templates, TAG)
        self.drives: DriveRecords | None = None
        self.ec2.network.create_group(f"@sc-{TAG}", "a cluster", "vpc-1", {})
        self.master = self._master()

    def _master(self) -> Instance:
        request = LaunchRequest(
            image_id="ami-1",
            instance_type="t3.micro",
            zone="us-east-1a",
            market=Market.ON_DEMAND,
            token="master",
            tags=resource_tags(TAG, "master"),
            key_name="key",
            group_ids=("sg-1",),
        )
        (made,) = self.ec2.instances.launch(request)
        self.ec2.advance()
        return made

    def driver(self, *wishes: Wish, me: str = "me@here:1:1", again: bool = False) -> Driver:
        memory = Memory(self.clock)
        journal = Journal(self.folder, TAG)
        observer = Observer(
            cluster=TAG,
            ec2=self.ec2,
            records=self.records,
            machines=self.machines,
            memory=memory,
            clock=self.clock,
            me=Holder(text=me),
            drives=self._sight(memory),
        )
        executor = Executor(
            cluster=TAG,
            ec2=self.ec2,
            records=self.records,
            machines=self.machines,
            memory=memory,
            journal=journal,
            clock=self.clock,
            me=Holder(text=me),
            busy=observer.busy,
            settings=Settings(again=again),
            spawn=lambda job: job(),
        )
        site = Site(cluster=TAG, observer=observer, executor=executor, journal=journal, wishes=list(wishes))
        site.accounts = Accountant(
            meter=Meter(self.ec2, self.clock),
            records=executor.records,
            crew=site.crew,
            journal=journal,
            clock=self.clock,
        )
        return Driver([site], clock=self.clock)

    def _sight(self, memory: Memory) -> DriveSight | None:
        if self.drives is None:
            return None
        return DriveSight(self.drives, self.ec2.instances, memory=memory, clock=self.clock)

    def rounds(self, driver: Driver, count: int, *, pause: float = 5.0) -> None:
        for _ in range(count):
            if not driver.sites[0].wishes:
                return
            driver.round(driver.sites[0])
            self.clock.time += pause

    def nodes(self, alias: str = "mynode") -> list[Instance]:
        return [one for one in self.ec2.instances.all.values() if one.alias == alias]

    def alive(self, alias: str = "mynode") -> list[Instance]:
        return [one for one in self.nodes(alias) if one.state.is_alive]

    def agent(self, alias: str = "mynode") -> FakeAgent:
        return self.machines.agent(self.nodes(alias)[-1].id)

    def record(self, name: str = "mynode") -> NameRecord:
        found = self.records.get(name)
        assert found is not None
        return found

    def lose(self, instance: Instance, reason: str = "Server.SpotInstanceTermination") -> None:
        self.ec2.instances._set(instance.id, state=InstanceState.SHUTTING_DOWN, reason_code=reason)
        self.machines.agent(instance.id).reachable = False
