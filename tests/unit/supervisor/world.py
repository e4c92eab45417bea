"""A small obedient world for the planner: it does at once what an action says, and time passes by `advance`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count

from starcluster.cluster.namerecord import Attempt, Intent, NameRecord, Outcome, OutcomeState
from starcluster.cluster.record import GENERATION, READY
from starcluster.model import Instance, InstanceState, Market, Pool
from starcluster.supervisor import actions as act
from starcluster.supervisor.look import (
    Absent,
    Answer,
    ClusterState,
    Look,
    NameLook,
    NodePhase,
    Report,
    RunReport,
    RunState,
    Unasked,
    Unreachable,
)
from starcluster.supervisor.noderules import BY_USER
from starcluster.supervisor.wishes import Wish

ZONE = "us-east-1a"
POOL = Pool(instance_type="c5.large", zone=ZONE, market=Market.SPOT)
NOW = datetime(2026, 1, 31, tzinfo=UTC)


def wish(name: str = "mynode", **more: object) -> Wish:
    facts: dict[str, object] = {"cluster": "mycluster", "instance_types": ("c5.large",), "command": "train", **more}
    return Wish(name=name, **facts)  # type: ignore[arg-type]


def instance(
    number: int = 1,
    state: InstanceState = InstanceState.RUNNING,
    *,
    alias: str = "mynode",
    generation: int = 1,
    ready: str = "boot-1",
    reason: str = "",
    token: str = "",
) -> Instance:
    tags = {"alias": alias, GENERATION: str(generation)} | ({READY: ready} if ready else {})
    return Instance(id=f"i-{number}", state=state, tags=tags, reason_code=reason, client_token=token, zone=ZONE)


def record(**facts: object) -> NameRecord:
    return NameRecord(**({"name": "mynode", "cluster": "mycluster", "generation": 1, "born": "i-1"} | facts))  # type: ignore[arg-type]


def run(attempt: int = 1, state: RunState = RunState.RUNNING, **more: object) -> RunReport:
    return RunReport(**({"attempt": attempt, "state": state, "boot_id": "boot-1"} | more))  # type: ignore[arg-type]


def report(number: int = 1, phase: NodePhase = NodePhase.IDLE, **more: object) -> Report:
    return Report(**({"instance_id": f"i-{number}", "boot_id": "boot-1", "phase": phase} | more))  # type: ignore[arg-type]


def look(known: NameLook | None = None, **more: object) -> Look:
    names = {"mynode": known} if known else {}
    return Look(**({"names": names, "zones": (ZONE,)} | more))  # type: ignore[arg-type]


def known(**facts: object) -> NameLook:
    return NameLook(**({"begun": True, "record": record()} | facts))  # type: ignore[arg-type]


@dataclass
class Machine:
    """An instance and what is on it."""

    instance: Instance
    agent: bool = False
    reachable: bool = True
    phase: NodePhase = NodePhase.IDLE
    run: RunReport | None = None
    notice: bool = False
    left: int = 4


@dataclass
class World:
    """One name in one cluster. `lose_next_reply`, `refuse`: what may befall a launch."""

    record: NameRecord | None = None
    machines: list[Machine] = field(default_factory=list)
    begun: bool = False
    refuse: int = 0
    lose_next_reply: bool = False
    cluster: ClusterState = ClusterState.UP
    launches: int = 0
    starts: list[tuple[str, int]] = field(default_factory=list)
    numbers: count[int] = field(default_factory=lambda: count(1))

    def look(self) -> Look:
        return Look(names={"mynode": self._known()}, zones=(ZONE,), cluster=self.cluster)

    def _known(self) -> NameLook:
        return NameLook(
            record=self.record,
            instances=tuple(one.instance for one in self.machines),
            answer=self._answer(),
            begun=self.begun,
            intent_age=1000,
            failed_for=10_000,
            overdue_for=10_000,
        )

    def current(self) -> Machine | None:
        born = self.record.born if self.record else ""
        return next((one for one in self.machines if one.instance.id == born), None)

    def _answer(self) -> Answer:
        here = self.current()
        if here is None or here.instance.state is not InstanceState.RUNNING or not here.instance.tags.get(READY):
            return Unasked()
        if not here.reachable:
            return Unreachable(why="no route")
        if not here.agent:
            return Absent()
        return Report(
            instance_id=here.instance.id,
            boot_id="boot-1",
            phase=here.phase,
            run=here.run,
            notice="terminate" if here.notice else "",
        )

    def find(self, instance_id: str) -> Machine:
        return next(one for one in self.machines if one.instance.id == instance_id)

    def alive(self) -> list[Machine]:
        return [one for one in self.machines if one.instance.state.is_alive]

    def working(self) -> list[Machine]:
        return [one for one in self.alive() if one.run and one.run.state is RunState.RUNNING]

    # what befalls it

    def advance(self) -> None:
        moves = {
            InstanceState.PENDING: InstanceState.RUNNING,
            InstanceState.SHUTTING_DOWN: InstanceState.TERMINATED,
            InstanceState.STOPPING: InstanceState.STOPPED,
        }
        for one in self.machines:
            one.instance = replace(one.instance, state=moves.get(one.instance.state, one.instance.state))
            if one.phase is NodePhase.DRAINING:
                one.phase = NodePhase.DRAINED
                if one.run and one.run.state is RunState.RUNNING:
                    one.run = replace(one.run, state=RunState.EXITED, exit=0, interrupted=True)
            one.left -= one.notice
            if not one.left and one.instance.state.is_alive:
                self.kill(one)

    def kill(self, machine: Machine, reason: str = "Server.SpotInstanceTermination") -> None:
        machine.instance = replace(machine.instance, state=InstanceState.SHUTTING_DOWN, reason_code=reason)
        if machine.run and machine.run.state is RunState.RUNNING:
            machine.run = None

    def give_notice(self, machine: Machine) -> None:
        machine.notice = True
        if machine.agent and machine.phase is NodePhase.IDLE:
            machine.phase = NodePhase.DRAINING

    # what is done to it

    def do(self, action: act.Action) -> None:
        getattr(self, "_" + type(action).__name__.lower(), lambda _: None)(action)

    def _begin(self, action: act.Begin) -> None:
        self.record = self.record or NameRecord(name="mynode", cluster="mycluster")
        by_user = [one.instance.id for one in self.machines if one.instance.reason_code == BY_USER]
        self.record = replace(self.record, released=(*self.record.released, *by_user))
        self.begun = True

    def _change(self, **facts: object) -> None:
        assert self.record is not None
        self.record = replace(self.record, **facts)  # type: ignore[arg-type]

    def _adopt(self, action: act.Adopt) -> None:
        self._change(born=action.instance_id, generation=action.generation)

    def _launch(self, action: act.Launch) -> None:
        token = f"{action.generation}/{action.try_number}"
        intent = Intent(token=token, pool=action.pool, at=NOW)
        self._change(generation=action.generation, try_number=action.try_number, intent=intent, born="")
        self._ask(token)

    def _replay(self, action: act.Replay) -> None:
        assert self.record is not None
        assert self.record.intent is not None
        self._ask(self.record.intent.token)

    def _ask(self, token: str) -> None:
        """EC2: one token, one instance."""
        assert self.record is not None
        if self.refuse:
            self.refuse -= 1
            self._change(intent=None)
            return
        made = next((one for one in self.machines if one.instance.client_token == token), None)
        if made is None:
            self.launches += 1
            new = instance(
                next(self.numbers),
                InstanceState.PENDING,
                generation=self.record.generation,
                ready="",
                token=token,
            )
            made = Machine(instance=new)
            self.machines.append(made)
        if self.lose_next_reply:
            self.lose_next_reply = False
            return
        self._change(born=made.instance.id)

    def _setup(self, action: act.SetUp) -> None:
        one = self.find(action.instance_id)
        one.instance = replace(one.instance, tags={**one.instance.tags, READY: "boot-1"})
        one.agent = True
        if one.notice and one.phase is NodePhase.IDLE:
            one.phase = NodePhase.DRAINING

    def _run(self, action: act.Run) -> None:
        one = self.find(action.instance_id)
        attempt = Attempt(number=action.attempt, generation=action.generation, failures=action.failures)
        self._change(attempt=attempt)
        if one.phase is NodePhase.IDLE:
            self.starts.append((one.instance.id, action.attempt))
            one.run = run(action.attempt)

    def _recorddrained(self, action: act.RecordDrained) -> None:
        self._change(drained=action.generation)

    def _recordoutcome(self, action: act.RecordOutcome) -> None:
        state = OutcomeState.FINISHED if action.finished else OutcomeState.FAILED
        self._change(outcome=Outcome(state=state, at=NOW, exit=action.exit))

    def _release(self, action: act.Release) -> None:
        assert self.record is not None
        self._change(released=(*self.record.released, action.instance_id))
        self.kill(self.find(action.instance_id), BY_USER)

    def _start(self, action: act.Start) -> None:
        one = self.find(action.instance_id)
        one.instance = replace(one.instance, state=InstanceState.PENDING)
