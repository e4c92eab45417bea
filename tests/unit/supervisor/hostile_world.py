"""One cluster that everything may befall, the drivers that look after two names in it, and what must never be.

Time is one number of seconds. EC2 and the nodes keep their own promises (states take their time, one token gives one
instance, a volume has one holder, an agent starts an attempt once); all else is the adversary's.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from starcluster import exception
from starcluster.clock import Clock
from starcluster.cluster.costs import Meter
from starcluster.cluster.namerecord import LEASE, Intent, NameRecord, NameRecords
from starcluster.cluster.record import GENERATION, PREPARED, READY, resource_tags
from starcluster.model import AttachmentState, Instance, InstanceState, LaunchRequest, Market, VolumeState
from starcluster.supervisor.accounting import Accountant
from starcluster.supervisor.drivewishes import DriveWish
from starcluster.supervisor.execute import Executor, Settings
from starcluster.supervisor.journal import Journal
from starcluster.supervisor.lease import Holder
from starcluster.supervisor.loop import Driver, Site
from starcluster.supervisor.memory import Memory
from starcluster.supervisor.observe import Observer
from starcluster.supervisor.wishes import Rebalance, Wish
from tests.fakes.ec2 import START, FakeEc2
from tests.fakes.hostile import READS, Gate, History, HostileEc2, Killed, Lag
from tests.fakes.nodes import SAVING, Node
from tests.unit.supervisor.stage import TAG, FakeShell, launch_request_of

NOTICE = 120.0
BEAT = 10.0
FORGOTTEN = 3600.0  # EC2 shows a terminated instance for about an hour
SILENT_LIMIT = 900.0
ZONE = "us-east-1a"
_NOWHERE = Path("/dev/null/journal")  # a disk that is away: the journal is no part of the truth
_MOVES = {
    InstanceState.PENDING: (20.0, InstanceState.RUNNING),
    InstanceState.SHUTTING_DOWN: (30.0, InstanceState.TERMINATED),
    InstanceState.STOPPING: (30.0, InstanceState.STOPPED),
}

WISHES = (
    Wish(
        name="mynode",
        cluster=TAG,
        instance_types=("c5.large",),
        command="train",
        rebalance=Rebalance.REPLACE,
        silent_limit=SILENT_LIMIT,
        max_restarts=1,
    ),
    Wish(
        name="other",
        cluster=TAG,
        instance_types=("c5.large",),
        command="train",
        market=Market.ON_DEMAND,
        silent_limit=SILENT_LIMIT,
    ),
)
WISHED = {wish.name for wish in WISHES}


class World:
    def __init__(self) -> None:
        self.time = 0.0
        self.ec2 = FakeEc2(auto_advance=False, zones=(ZONE,))
        self.nodes: dict[str, Node] = {}
        self.home: dict[str, tuple[dict[str, Any], float]] = {}
        self.home_up = True
        self.python = True
        self.lags = {kind: Lag() for kind in ("instances", "spot", "templates")}
        self.pasts = {kind: History() for kind in self.lags}
        self.drivers: list[Process] = []
        self.wrong: list[str] = []  # what must never be, and was
        self.writes: list[tuple[str, Any]] = []
        self.launches: list[float] = []
        self.ended_by_person: dict[str, list[Process]] = {}  # name -> the drivers that had it then
        self.forgotten: set[str] = set()
        self.volumes: dict[str, str] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._moving: set[tuple[str, InstanceState]] = set()
        self.ec2.network.create_group(f"@sc-{TAG}", "a cluster", "vpc-1", {})
        self.master = self._make("master", TAG)
        self.strangers = [self._make("third", TAG), self._make("mynode", "another")]
        self.pass_time(60)
        for alias in [*WISHED, "third"]:
            self.volumes[alias] = self.ec2.volumes.create(10, ZONE).id
        self.pass_time(60)

    def _make(self, alias: str, cluster: str) -> str:
        """An instance that none of the drivers has asked for."""
        request = LaunchRequest(
            image_id="ami-1",
            instance_type="t3.micro",
            zone=ZONE,
            market=Market.ON_DEMAND,
            token=f"{cluster}/{alias}/{next(self._numbers)}",
            tags=resource_tags(cluster, alias, {READY: "boot-1"}),
            key_name="key",
            group_ids=("sg-1",),
        )
        return self.ec2.instances.launch(request)[0].id

    # time

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.time + seconds, next(self._numbers), what))

    def pass_time(self, seconds: float) -> None:
        end = self.time + seconds
        self._settle()
        while self._due and self._due[0][0] <= end:
            self.time, _, what = heapq.heappop(self._due)
            self.ec2.now = START + timedelta(seconds=self.time)
            what()
            self._settle()
        self.time = end
        self.ec2.now = START + timedelta(seconds=end)

    def _settle(self) -> None:
        """What follows from the states as they are now."""
        for one in list(self.ec2.instances.all.values()):
            node = self.nodes.setdefault(one.id, Node(one.id))
            runs = one.state is InstanceState.RUNNING
            if runs and not node.up:
                node.power_on()
            elif node.up and not runs:
                node.power_off()
            if one.state in _MOVES and (one.id, one.state) not in self._moving:
                self._moving.add((one.id, one.state))
                self._move_later(one)
        self._settle_volumes()
        self.publish()
        for kind, past in self.pasts.items():
            past.note(self.time, getattr(self.ec2, kind).all)

    def _settle_volumes(self) -> None:
        volumes = self.ec2.volumes
        for one in [volumes.all[volume_id] for volume_id in self.volumes.values()]:
            if one.state is VolumeState.CREATING:
                volumes._set(one.id, state=VolumeState.AVAILABLE)
            elif one.holder and one.holder.state is AttachmentState.ATTACHING:
                volumes._set(one.id, attachments=(replace(one.holder, state=AttachmentState.ATTACHED),))
            elif one.holder and one.holder.state is AttachmentState.DETACHING:
                holder = one.holder.instance_id
                self.later(5, lambda volume_id=one.id, holder=holder: self._detached(volume_id, holder))

    def _detached(self, volume_id: str, instance_id: str) -> None:
        holder = self.ec2.volumes.all[volume_id].holder
        if holder and holder.instance_id == instance_id and holder.state is AttachmentState.DETACHING:
            self.ec2.volumes.release(volume_id, instance_id)

    def _move_later(self, one: Instance) -> None:
        seconds, target = _MOVES[one.state]

        def move() -> None:
            self._moving.discard((one.id, one.state))
            if self.ec2.instances.all[one.id].state is not one.state:
                return
            self.ec2.instances._set(one.id, state=target)
            if target is InstanceState.TERMINATED:
                self.ec2.instances._release(one)
                self.later(FORGOTTEN, lambda: self._forget(one))

        self.later(seconds, move)

    def _forget(self, one: Instance) -> None:
        """EC2 shows it no more; how a spot instance ended is still told by its request, of others nothing is."""
        self.forgotten.add(one.id)

    def publish(self) -> None:
        """Every agent's beat; two nodes of one name overwrite each other's report."""
        for one in self.ec2.instances.all.values():
            node = self.nodes.get(one.id)
            told = node and node.up and node.started and node.shares and not node.stands_by
            if node and told and self.home_up and one.alias in WISHED:
                self.home[one.alias] = (node.report(), self.time)

    def view(self, kind: str) -> dict[str, Any]:
        objects = getattr(self.ec2, kind).all
        seen = self.lags[kind].view(self.pasts[kind], self.time, objects)
        return {key: value for key, value in seen.items() if key not in self.forgotten}

    # the truth

    def instances(self, name: str) -> list[Instance]:
        return [
            one
            for one in self.ec2.instances.all.values()
            if one.alias == name and one.tags.get("@sc-cluster") == TAG and one.id not in self.strangers
        ]

    def alive(self, name: str) -> list[Instance]:
        return [one for one in self.instances(name) if one.state.is_alive]

    def record(self, name: str) -> NameRecord | None:
        return NameRecords(self.ec2.templates, TAG).get(name)

    def check(self) -> None:
        """What must hold at every moment."""
        self._settle()
        for name in WISHED:
            working = [one.id for one in self.alive(name) if self.nodes[one.id].works]
            if len(working) > 1:
                self.wrong.append(f"the command of {name} runs twice: {working}")
            holding = [one for one in self.alive(name) if not self._is_dying(one.id)]
            ready = [one.id for one in holding if self.stands_by(one)]
            if len(holding) - len(ready) > 1 or len(ready) > 1:
                self.wrong.append(f"{name} is paid for twice: {[one.id for one in holding]}, {ready} stand by")
            if any(self.nodes[one].works for one in ready):
                self.wrong.append(f"the command of {name} runs on what only stands by: {ready}")

    def stands_by(self, one: Instance) -> bool:
        """It was asked for as the successor of the instance that has the name."""
        record = self.record(one.alias)
        heir = record.successor if record else None
        generation = int(one.tags.get(GENERATION) or 0)
        return bool(record and heir and generation == heir.generation > record.generation)

    def _is_dying(self, instance_id: str) -> bool:
        return self.nodes[instance_id].phase == "drained"

    # what drivers do

    def watch(self, method: str, args: tuple[Any, ...], words: dict[str, Any]) -> None:
        door, _, verb = method.partition(".")
        if verb in READS or method in READS:
            return
        target = args[0]
        if verb == "tag_all":
            return  # leases only
        if door == "templates" and verb == "tag":
            if set(args[1]) != {LEASE}:
                self.writes.append((method, args))
            self._watch_record(self.ec2.templates.all[target].tags, args[1])
            return
        self.writes.append((method, args))
        aliases = _WATCHED[door](self, target)
        if not aliases <= WISHED:
            self.wrong.append(f"{method} of {target} touches what was not wished for: {aliases}")
        getattr(self, f"_watch_{door}", lambda verb, target: None)(verb, target)

    def _watch_instances(self, verb: str, target: Any) -> None:
        if verb == "launch":
            self._watch_launch(target)
        elif verb in ("terminate", "stop"):
            for instance_id in target:
                self._watch_end(instance_id)

    def _watch_launch(self, request: LaunchRequest) -> None:
        self.launches.append(self.time)
        name = request.tags["alias"]
        known = request.token in self.ec2.instances.requests
        record = self.record(name)
        if record and int(request.tags[GENERATION]) > record.generation:
            return  # a successor: whether it gets the name is another question
        if not known and self.ended_by_person.get(name) == self._begun(name):
            self.wrong.append(f"a person ended the instance of {name}, and it is launched again")

    def _begun(self, name: str) -> list[Process]:
        """The drivers that ever took the name up: whoever does so later has been asked by the user."""
        return [one for one in self.drivers if name in one.site.observer.memory.begun]

    def _watch_end(self, instance_id: str) -> None:
        node = self.nodes[instance_id]
        if not node.works:
            return
        since = getattr(node, "cut_at", None)
        if since is None or self.time - since < SILENT_LIMIT:
            self.wrong.append(f"{instance_id}, whose command runs, is ended (silent since {since}, now {self.time})")

    def _watch_volumes(self, verb: str, target: str) -> None:
        holder = self.ec2.volumes.all[target].holder
        if verb == "detach" and holder and self.nodes[holder.instance_id].works:
            self.wrong.append(f"{target} is taken from {holder.instance_id}, whose command runs")

    def _watch_record(self, before: Mapping[str, str], changes: Mapping[str, str]) -> None:
        old, new = int(before.get(GENERATION) or 0), int(changes.get(GENERATION) or before.get(GENERATION) or 0)
        if new < old:
            self.wrong.append(f"the generation falls from {old} to {new}")
        if new <= old:
            return
        name = before["@sc-name"]
        if self.ended_by_person.get(name) == self._begun(name):
            self.wrong.append(f"a person ended the instance of {name}, and another one gets the name")
        for one in self.instances(name):
            mine = int(one.tags.get(GENERATION) or 0) < new
            if mine and one.state is not InstanceState.TERMINATED and not self._is_dying(one.id):
                self.wrong.append(f"generation {new} while {one.id} of an earlier one is {one.state}")

    # what befalls the nodes

    def notice(self, instance_id: str) -> None:
        """EC2 will take it: the request is closed at once, the node hears of it."""
        node = self.nodes[instance_id]
        node.noticed = True
        self.ec2.instances.interrupt(instance_id)
        self.drain(node)
        self.later(NOTICE, lambda: self.die(instance_id, "Server.SpotInstanceTermination"))

    def drain(self, node: Node) -> None:
        node.begin_drain()
        self.later(SAVING, node.saved)

    def die(self, instance_id: str, reason: str) -> None:
        if self.ec2.instances.all[instance_id].state.is_alive:
            self.ec2.instances.die(instance_id, reason)
            self._settle()

    def person_ends(self, instance_id: str) -> None:
        one = self.ec2.instances.all[instance_id]
        record = self.record(one.alias)
        ours = record is not None and (instance_id in record.released or record.outcome is not None)
        taken = self.nodes[instance_id].noticed  # EC2 was about to take it: that is all its request tells
        if not ours and not taken and not self._is_dying(instance_id) and record and record.born == instance_id:
            self.ended_by_person[one.alias] = self._begun(one.alias)
        self.ec2.instances.terminate([instance_id])
        self._settle()

    def cut(self, instance_id: str, *, ssh: bool, home: bool) -> None:
        """A node that was silent already is so since then."""
        node = self.nodes[instance_id]
        heard = node.reachable or (node.shares and node.started and self.home_up)
        node.reachable, node.shares = not ssh, not home
        since = getattr(node, "cut_at", None)
        node.cut_at = (self.time if heard or since is None else since) if ssh else None  # type: ignore[attr-defined]

    def rest(self) -> None:
        """The adversary goes home: what is broken is mended, what was taken is gone."""
        for lag in self.lags.values():
            lag.mask = 0
        self.home_up = self.python = True
        self.ec2.relent()
        for instance_id, node in self.nodes.items():
            self.cut(instance_id, ssh=False, home=False)
            node.python, node.rebalance = True, ""
        for driver in self.drivers:
            driver.gate.expect({})


def _of_instances(world: World, target: Any) -> set[str]:
    if isinstance(target, LaunchRequest):
        return {target.tags["alias"] if target.tags["@sc-cluster"] == TAG else "?"}
    found = [world.ec2.instances.all[one] for one in target]
    return {"?" if one.id in (*world.strangers, world.master) else one.alias for one in found}


_WATCHED: dict[str, Callable[[World, Any], set[str]]] = {
    "instances": _of_instances,
    "spot": lambda world, target: {world.ec2.spot.all[one].tags["alias"] for one in target},
    "volumes": lambda world, target: {alias for alias, one in world.volumes.items() if one == target} or {"?"},
    "templates": lambda world, target: {target.removeprefix(f"sc-{TAG}-")},
}


class DriverClock(Clock):
    """A laptop's: its wall clock may be wrong, its steady one stands still while it sleeps."""

    def __init__(self, world: World, skew: float) -> None:
        super().__init__(1.0)
        self.world, self.skew, self.slept = world, skew, 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.world.time + self.skew)

    def monotonic(self) -> float:
        return self.world.time - self.slept

    def sleep(self, seconds: float) -> None:
        self.world.pass_time(seconds)


class Hands:
    """The nodes as one driver reaches them."""

    def __init__(self, world: World, ec2: HostileEc2, gate: Gate) -> None:
        self.world, self.ec2, self.gate = world, ec2, gate

    def group_id(self) -> str:
        return "sg-1"

    def shell(self, instance: Instance) -> Any:
        node = self.world.nodes[instance.id]
        if not self.world.python:
            node.python = False
        return _Shell(self, node, FakeShell(self._answer_of(instance, node), node))  # type: ignore[arg-type]

    def _answer_of(self, instance: Instance, node: Node) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def answer(order: dict[str, Any]) -> dict[str, Any]:
            if order["op"] == "look":
                return self._look(order)
            told = node.answer(order)
            if node.phase == "draining":
                self.world.drain(node)
            return told

        return answer

    def _look(self, order: dict[str, Any]) -> dict[str, Any]:
        world, found = self.world, {}
        if not world.home_up:
            return {"ok": False, "kind": "failed", "error": "OSError: stale file handle"}
        for name in order["names"]:
            report, at = world.home.get(name, (None, world.time))
            ran = [number for one in world.instances(name) for number in world.nodes[one.id].ran]
            found[name] = {"report": report, "age": world.time - at, "last_run": max(ran, default=0)}
        return {"ok": True, "reports": found}

    def launch_request(self, *, alias: str, intent: Intent, tags: dict[str, str]) -> LaunchRequest:
        return launch_request_of(alias=alias, intent=intent, tags=tags)

    def set_up(self, instance: Instance, *, drives: Sequence[DriveWish], progress: Callable[[str], None]) -> Instance:
        """SSH, the name's volume, the mark that it is done: as the real one, for as long as it is reached."""
        world, node = self.world, self.world.nodes[instance.id]
        self._reach(node)
        volume = self.ec2.volumes.get(world.volumes[instance.alias])
        if volume.holder is None:
            self.ec2.volumes.attach(volume.id, instance.id, "/dev/sdf")
        elif volume.holder.instance_id != instance.id:
            raise exception.ConflictError(f"{volume.id} is held by {volume.holder.instance_id}", code="VolumeInUse")
        self._reach(node)
        self.ec2.instances.tag([instance.id], {READY: node.boot_id})
        return world.ec2.instances.all[instance.id]

    def keep_drive(self, name: str) -> str:
        raise AssertionError(f"no wish here has a drive, and {name} is kept")

    def prepare(self, instance: Instance, *, plugins: bool, progress: Callable[[str], None]) -> None:
        world, node = self.world, self.world.nodes[instance.id]
        self._reach(node)
        volume = world.volumes[instance.alias]
        if plugins and self.ec2.volumes.get(volume).holder is None:
            self.ec2.volumes.attach(volume, instance.id, "/dev/sdf")
        self._reach(node)

    def mark_prepared(self, instance: Instance) -> None:
        self.ec2.instances.tag([instance.id], {PREPARED: "yes"})

    def _reach(self, node: Node) -> None:
        if not self.gate.call("set-up", lambda: node.up and node.reachable):
            raise exception.SSHConnectionError("no route to host")

    def remove(self, instance: Instance) -> None:
        self.ec2.instances.terminate([instance.id])


class _Shell:
    def __init__(self, hands: Hands, node: Node, inner: FakeShell) -> None:
        self._hands, self._node, self._inner = hands, node, inner

    def run(self, command: str, *, data: bytes = b"", timeout: float | None = None) -> tuple[int, bytes, bytes]:
        return self._hands.gate.call("ssh", lambda: self._run(command, data, timeout))

    def _run(self, command: str, data: bytes, timeout: float | None) -> tuple[int, bytes, bytes]:
        if not self._node.up:
            raise exception.SSHConnectionError("no route to host")
        return self._inner.run(command, data=data, timeout=timeout)


class Process:
    """One driver, until it is killed or done."""

    def __init__(self, world: World, *, me: str, skew: float = 0.0, project: str = "") -> None:
        self.world, self.me, self.dead = world, me, False
        self.jobs: list[Callable[[], None]] = []
        self.pause = 0.0
        self.clock = DriverClock(world, skew)
        self.gate = Gate(
            passes=world.pass_time, sleeps=self.sleep, other=self._other, watch=world.watch, check=world.check
        )
        self.driver = Driver([self._site(project)], clock=self.clock)
        world.drivers.append(self)

    def _site(self, project: str) -> Site:
        world, ec2 = self.world, HostileEc2(self.world.ec2, self.gate, self.world.view)
        records, memory = NameRecords(ec2.templates, TAG, clock=self.clock), Memory(self.clock)  # type: ignore[arg-type]
        self.journal = Journal(_NOWHERE, TAG)
        shared: dict[str, Any] = {"cluster": TAG, "ec2": ec2, "records": records, "memory": memory}
        shared |= {"machines": Hands(world, ec2, self.gate), "clock": self.clock, "me": Holder(text=self.me)}
        observer = Observer(**shared)
        executor = Executor(
            **shared, journal=self.journal, busy=observer.busy, settings=Settings(), spawn=self.jobs.append
        )
        tags = {"Project": project} if project else {}
        wishes = [replace(wish, tags=tags) for wish in WISHES]
        site = Site(cluster=TAG, observer=observer, executor=executor, journal=self.journal, wishes=wishes)
        site.accounts = Accountant(
            meter=Meter(ec2, self.clock),
            records=executor.records,
            crew=site.crew,
            journal=self.journal,
            clock=self.clock,
        )
        return site

    @property
    def site(self) -> Site:
        return self.driver.sites[0]

    def sleep(self, seconds: float) -> None:
        """The laptop's lid is closed."""
        self.clock.slept += seconds
        self.world.pass_time(seconds)

    def _other(self) -> None:
        for one in self.world.drivers:
            if one is not self and not one.dead:
                one.gate.expect({})
                one.round()
                one.set_ups()

    def round(self) -> None:
        if self.site.wishes and not self.dead:
            self._live(lambda: setattr(self, "pause", self.driver.round(self.site)))

    def set_ups(self) -> None:
        """What goes on beside the loop."""
        while self.jobs and not self.dead:
            self._live(self.jobs.pop(0))

    def _live(self, what: Callable[[], None]) -> None:
        try:
            what()
        except Killed:
            self.kill()

    def kill(self) -> None:
        self.dead = True
        self.jobs.clear()


class Ear(logging.Handler):
    """Hears of errors that the product did not expect, which it survives and a test must not."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self.world = world

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if "unexpected" in text:
            self.world.wrong.append(text)
