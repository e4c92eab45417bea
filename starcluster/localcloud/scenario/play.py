"""Carries a scenario out: waits for what its steps wait for, and asks the cloud's control for the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from starcluster.localcloud import control
from starcluster.localcloud.scenario.script import Act, At, Held, OnState, State, Step

POLL = 0.05  # wall seconds between two looks
PATIENCE = 10.0  # wall seconds that a killed process of the cloud may take to be gone
Facts = dict[str, Any]


class World(Protocol):
    """What a scenario sees and touches of a cloud."""

    @property
    def speed(self) -> float: ...

    def now(self) -> float:
        """Wall seconds since some moment."""

    def sleep(self, seconds: float) -> None: ...

    def ask(self, op: str, **arguments: Any) -> Facts:
        """One control operation; raises control.LocalCloudError."""

    def is_working(self, instance_id: str) -> bool:
        """Whether a command that a supervisor has started runs on the node."""

    def kill(self, what: str) -> None:
        """SIGKILL the cloud's daemon or its agent, and have a new one."""

    def shell(self, command: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Told:
    """A step that has been done, or could not be: at which of EC2's seconds, and why not."""

    step: Step
    seconds: float
    error: str = ""

    @property
    def plain(self) -> Facts:
        done = {"seconds": round(self.seconds, 1), "line": self.step.line, "step": self.step.text}
        return {**done, "done": not self.error, **({"error": self.error} if self.error else {})}


class Play:
    """One run of a scenario; `steps_left` are those whose time has not come."""

    def __init__(self, steps: Sequence[Step], world: World) -> None:
        self.steps_left = list(steps)
        self._world = world
        self._began = world.now()
        self._births = _Births()
        self._reached: dict[int, float] = {}
        self._holds: dict[int, list[Step]] = {}

    @property
    def seconds(self) -> float:
        """EC2's seconds since the beginning."""
        return (self._world.now() - self._began) * self._world.speed

    def run(self, *, limit: float | None = None) -> Iterator[Told]:
        """Do every step when its time has come, until none is left or `limit` of EC2's seconds have passed."""
        try:
            self._hold_calls()
            while self.steps_left and (limit is None or self.seconds < limit):
                yield from self._round()
                self._world.sleep(POLL)
            for step in self.steps_left:
                yield Told(step=step, seconds=self.seconds, error="its time has not come")
        finally:
            for hold in self._holds:
                self._try("release", hold=hold)

    def _round(self) -> Iterator[Told]:
        for step in [one for one in self.steps_left if isinstance(one.trigger, At)]:
            if isinstance(step.trigger, At) and self.seconds >= step.trigger.seconds:
                yield self._do(step)
        if any(isinstance(one.trigger, OnState) for one in self.steps_left):
            yield from self._watch_nodes()
        if self._holds:
            yield from self._watch_calls()

    # --- held calls ------------------------------------------------------------------------------------------

    def _hold_calls(self) -> None:
        """Order all holds; a daemon that was killed has forgotten them and counts anew."""
        self._holds.clear()
        calls: dict[Held, list[Step]] = {}
        for step in self.steps_left:
            if isinstance(step.trigger, Held):
                calls.setdefault(step.trigger, []).append(step)
        for call, steps in calls.items():
            answer = self._world.ask("hold", **call.order)
            self._holds[int(answer["hold"])] = steps

    def _watch_calls(self) -> Iterator[Told]:
        parked = [one["number"] for one in self._try("holds").get("holds", []) if one["parked"]]
        for number in parked:
            for step in self._holds.pop(number, []):
                yield self._do(step)
            self._try("release", hold=number)

    # --- nodes -----------------------------------------------------------------------------------------------

    def _watch_nodes(self) -> Iterator[Told]:
        nodes = self._try("status").get("nodes", [])
        self._births.see(nodes)
        for step in [one for one in self.steps_left if isinstance(one.trigger, OnState)]:
            if isinstance(step.trigger, OnState) and self._has_come(step.line, step.trigger, nodes):
                yield self._do(step)

    def _has_come(self, line: int, wanted: OnState, nodes: list[Facts]) -> bool:
        """Whether the node has been so far for long enough; it need not be any more."""
        if line not in self._reached:
            instance = self._births.nth(wanted)
            state = next((one["state"] for one in nodes if one["instance_id"] == instance), "")
            if instance is None or not self._is(wanted.state, instance, state):
                return False
            self._reached[line] = self.seconds
        return self.seconds - self._reached[line] >= wanted.seconds

    def _is(self, wanted: State, instance: str, state: str) -> bool:
        if wanted is State.PENDING:
            return bool(state)
        if wanted is State.RUNNING:
            return state == "running"
        return state == "running" and self._world.is_working(instance)

    # --- acts ------------------------------------------------------------------------------------------------

    def _do(self, step: Step) -> Told:
        """An act that fails is told, and the scenario goes on."""
        self.steps_left.remove(step)
        at = self.seconds
        try:
            self._act(step.act)
        except (control.LocalCloudError, OSError, subprocess.CalledProcessError) as error:
            return Told(step=step, seconds=at, error=str(error))
        return Told(step=step, seconds=at)

    def _act(self, act: Act) -> None:
        if act.verb == "hold":
            self._world.sleep(act.words[0] / self._world.speed)
        elif act.verb == "run":
            self._world.shell(act.words[0])
        elif act.verb == "kill":
            self._world.kill(act.words[0])
            if act.words[0] == "daemon":
                self._hold_calls()
        else:
            self._world.ask("fault" if act.verb == "fail" else act.verb, **self._arguments(act))

    def _arguments(self, act: Act) -> Facts:
        """The act's words by the names that the control operation has for them."""
        if act.verb in ("interrupt", "rebalance", "crash", "freeze", "thaw"):
            return {"instance_id": self._living(*act.words[0]), **act.options}
        if act.verb == "lag":
            return {"seconds": act.words[0] / self._world.speed}
        if act.verb == "fail":
            return _failure(act)
        names = _WORDS.get(act.verb, ())
        return {**dict(zip(names, act.words, strict=True)), **act.options}

    def _living(self, cluster: str, alias: str) -> str:
        found = [one["instance_id"] for one in self._world.ask("status")["nodes"] if _is_of(one, cluster, alias)]
        if not found:
            raise control.LocalCloudError(f"cluster '{cluster}' has no running node '{alias}'")
        return str(found[-1])

    def _try(self, op: str, **arguments: Any) -> Facts:
        """An operation whose failure does not matter: the daemon is away for a moment."""
        try:
            return self._world.ask(op, **arguments)
        except control.LocalCloudError:
            return {}


_WORDS = {
    "price": ("type", "value"),
    "capacity": ("type", "count"),
    "quota": ("vcpus",),
    "fault": ("action", "code"),
}


def _failure(act: Act) -> Facts:
    """A command's failure, as the control's `fault` has it: a connection reset, or an exit status."""
    options = {name: value for name, value in act.options.items() if name != "reset"}
    code = "ConnectionReset" if act.options.get("reset") else "Failed"
    return {"status": 1, **options, "command": act.words[0], "code": code}


def _is_of(node: Facts, cluster: str, alias: str) -> bool:
    tags = node["tags"]
    named = tags.get("@sc-cluster") == cluster and tags.get("alias", "").lower() == alias.lower()
    return named and node["state"] in ("pending", "running")


@dataclass(kw_only=True)
class _Births:
    """The instances that were seen alive, by the order in which they came."""

    _seen: dict[str, Facts] = field(default_factory=dict)

    def see(self, nodes: list[Facts]) -> None:
        for node in nodes:
            if node["state"] in ("pending", "running") and node["tags"].get("alias"):
                self._seen.setdefault(node["instance_id"], node)

    def nth(self, wanted: OnState) -> str | None:
        mine = [
            instance
            for instance, node in self._seen.items()
            if node["tags"].get("@sc-cluster") == wanted.cluster
            and node["tags"]["alias"].lower() == wanted.alias.lower()
        ]
        return mine[wanted.instance - 1] if len(mine) >= wanted.instance else None


class RealWorld:
    """A local cloud that is up."""

    def __init__(self, folder: Path) -> None:
        facts = control.status(folder)
        if facts is None:
            raise control.LocalCloudError("the local cloud is not up", "starcluster local up")
        self._folder = folder
        self.speed = float(facts["speed"])

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def ask(self, op: str, **arguments: Any) -> Facts:
        return control.call(self._folder, op, **arguments)

    def is_working(self, instance_id: str) -> bool:
        from starcluster.localcloud.hosts.client import Hosts, HostsError
        from starcluster.localcloud.places import Places

        try:
            node = Hosts(Places(self._folder).agent_socket).nodes().get(instance_id)
        except HostsError:
            return False
        return node is not None and node.alive and any(_is_command(pid) for pid in _pids_with(node.pid))

    def shell(self, command: str) -> None:
        """Its output goes to the standard error, so that --json stays readable."""
        subprocess.run(["/bin/sh", "-c", command], check=True, stdout=2)

    def kill(self, what: str) -> None:
        facts = control.status(self._folder)
        if facts is None:
            raise control.LocalCloudError("the local cloud's daemon is dead already")
        if what == "agent":
            os.kill(_agent_of(self._folder), signal.SIGKILL)
            return
        os.kill(int(facts["pid"]), signal.SIGKILL)
        _until(lambda: control.status(self._folder) is None)
        control.up(self._folder)


def _agent_of(folder: Path) -> int:
    from starcluster.localcloud.hosts.client import Hosts, HostsError
    from starcluster.localcloud.places import Places

    try:
        return int(Hosts(Places(folder).agent_socket).ping()["pid"])
    except HostsError as error:
        raise control.LocalCloudError(f"the hosts agent: {error}") from error


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise control.LocalCloudError("a killed process of the local cloud does not go")
        time.sleep(POLL)


def _pids_with(pid: int) -> Iterator[int]:
    """The processes that share a node's process namespace."""
    try:
        namespace = os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                if os.readlink(f"/proc/{entry}/ns/pid") == namespace:
                    yield int(entry)
            except OSError:
                continue  # it has ended meanwhile


def _is_command(pid: int) -> bool:
    """A command that a supervisor started knows by its environment which attempt it is."""
    try:
        return b"\0STARCLUSTER_ATTEMPT=" in b"\0" + Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
