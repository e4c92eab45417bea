"""One look: three reads of EC2 and one word with the master's agent, whatever the number of nodes.

A read of EC2 is whole or it raises, and then there is no look: an empty list never means "I could not ask".
What the agents say, or that they say nothing, are values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from starcluster import names
from starcluster.clock import LEAST_LIMIT, PACE, Clock
from starcluster.cluster.namerecord import NameRecord, NameRecords
from starcluster.model import Instance, InstanceState, Market, Pool, SpotRequest
from starcluster.supervisor import lease
from starcluster.supervisor.driverules import CHECKPOINT
from starcluster.supervisor.drivesight import DriveSight
from starcluster.supervisor.hearing import Hearing, Machines, is_usable, newest
from starcluster.supervisor.look import (
    Answer,
    ClusterState,
    DriveLook,
    Look,
    NameLook,
    Report,
    RunState,
    Silent,
    Unreachable,
)
from starcluster.supervisor.memory import Memory
from starcluster.supervisor.succession import successor_facts
from starcluster.supervisor.wishes import Wish

LAG = 300.0  # EC2's seconds for which a read may lag behind a tag that was written
GAP = 60.0  # EC2's seconds; a longer pause between two looks was watched by nobody
LEAST_GAP = 5.0  # of ours: so long may a look and its acts take
_OWN_PREFIX = "alias"


class Ec2Door(Protocol):
    """What a look reads of EC2 (aws.session.Ec2 has more)."""

    @property
    def instances(self) -> Any: ...
    @property
    def spot(self) -> Any: ...
    @property
    def network(self) -> Any: ...


class Observer:
    def __init__(
        self,
        *,
        cluster: str,
        ec2: Ec2Door,
        records: NameRecords,
        machines: Machines,
        memory: Memory,
        clock: Clock,
        me: lease.Holder,
        hands: int = 1,
        drives: DriveSight | None = None,
        price_in: Callable[[Pool], float | None] = lambda pool: None,
        seen: Callable[[Sequence[Instance]], None] = lambda instances: None,
    ) -> None:
        """`hands`: with more than one, nodes are asked directly side by side. `price_in`: US dollars an hour.

        `seen` is told of the cluster's instances at each look.
        """
        self.hearing = Hearing(machines, memory=memory, clock=clock, in_threads=hands > 1)
        self.cluster, self.ec2, self.records = cluster, ec2, records
        self.machines, self.memory, self.clock, self.me = machines, memory, clock, me
        self._drives, self._price_in, self._seen = drives, price_in, seen
        self.busy: dict[str, str] = {}  # instance id -> what is done to it beside the loop
        self.last_master: Instance | None = None
        self._began = 0.0

    def look(self, wishes: Sequence[Wish]) -> Look:
        """Everything about the wished-for names; raises AWSError when EC2 can not be read."""
        busy = dict(self.busy)  # before the reads: what ends meanwhile has not been seen by them
        self._began = self.clock.monotonic()
        instances = self.ec2.instances.find(cluster=self.cluster)
        self._seen(instances)
        self.memory.forget_others({one.id for one in instances} | set(busy))
        requests = self.ec2.spot.find(cluster=self.cluster)
        records = self.records.find()
        drives = self._drives.look(wishes, instances) if self._drives else {}
        self.memory.sights.note(instances, {one.born for one in records.values()})
        master = self.last_master = master_of(instances)
        mine = _by_name(instances)
        usable = [wish.name for wish in wishes if is_usable(newest(*_of(wish, mine, records)))]
        words = self.hearing.ask_master(master, usable)
        seen = [(wish, *_of(wish, mine, records), words.get(wish.name, {})) for wish in wishes]
        answers = self.hearing.answers(seen)
        zones = (master.zone,) if master else ()
        return Look(
            cluster=self._cluster_state(master),
            master_heard=bool(words) or not usable,
            zones=zones,
            avoid=self.memory.avoided(),
            dry_for=self.memory.dry_for(),
            prices=self._prices(wishes, zones),
            names={
                names.fold(one[0].name): self._name(*one, answer, requests, busy, drives, asked=bool(words))
                for one, answer in zip(seen, answers, strict=True)
            },
        )

    def _prices(self, wishes: Sequence[Wish], zones: Sequence[str]) -> dict[Pool, float]:
        """Of the pools that drives may have to choose between (asked for once in a while)."""
        pools = [pool for wish in wishes if wish.drives for pool in wish.pools(zones)]
        if len({(pool.instance_type, pool.zone) for pool in pools}) < 2:
            return {}
        full = [replace(pool, market=Market.ON_DEMAND) for pool in pools]
        known = {pool: self._price_in(pool) for pool in [*pools, *full]}
        return {pool: price for pool, price in known.items() if price is not None}

    def _cluster_state(self, master: Instance | None) -> ClusterState:
        if master is not None and master.state is InstanceState.RUNNING:
            return ClusterState.UP
        there = self.ec2.network.group(names.group_name(self.cluster))
        return ClusterState.NO_MASTER if there else ClusterState.GONE

    def _name(
        self,
        wish: Wish,
        mine: tuple[Instance, ...],
        record: NameRecord | None,
        word: Mapping[str, Any],
        answer: Answer,
        requests: Sequence[SpotRequest],
        busy: Mapping[str, str],
        drives: Mapping[str, tuple[DriveLook, ...]],
        *,
        asked: bool,
    ) -> NameLook:
        folded = names.fold(wish.name)
        ids = {one.id for one in mine}
        current = newest(mine, record)
        pause, because = self.memory.pause(folded)
        return NameLook(
            record=record,
            instances=mine,
            requests=tuple(one for one in requests if one.instance_id in ids or _is_for(one, folded)),
            answer=answer,
            last_run=int(word.get("last_run") or 0),
            has_saved=self._has_saved(folded, word),
            begun=folded in self.memory.begun,
            holder=lease.other_holder(record, self.me, self.memory, self.clock.scale),
            busy=self._busy(current, busy),
            pause=pause,
            pause_because=because,
            complaint=self.memory.complaint(folded),
            unexplained=self.memory.sights.is_unexplained(record, mine),
            **successor_facts(folded, record, mine, self.memory, busy, self._age, self._passed),
            **self._ages(folded, record, current, answer),
            **self._silence(wish, current, answer, asked=asked),
            home_lost_for=self._home_lost_for(current, answer, asked=asked),
            drives=drives.get(folded, ()),
            checkpoint_age=self._checkpoint_age(answer),
        )

    def _checkpoint_age(self, answer: Answer) -> float:
        stamps = answer.stamps if isinstance(answer, Report) else ()
        went_well = [one.at for one in stamps if one.event == CHECKPOINT and one.detail.get("exit") == 0]
        return self._age(datetime.fromtimestamp(max(went_well), UTC)) if went_well else -1.0

    def _has_saved(self, folded: str, word: Mapping[str, Any]) -> bool:
        """Whether any of its instances told progress, or its folder for checkpoints is not empty; once is for good."""
        run = (word.get("report") or {}).get("run") or {}
        if word.get("checkpoint") or run.get("step") is not None:
            self.memory.saved.add(folded)
        return folded in self.memory.saved

    def _busy(self, current: Instance | None, busy: Mapping[str, str]) -> str:
        """Whether a set-up of this very instance goes on; that of a dead one may hang, and nobody waits for it."""
        if current is None or current.state is not InstanceState.RUNNING:
            return ""
        if not is_usable(current) and self.memory.was_set_up(current.id, within=LAG):
            return f"{current.id} has been set up; EC2 does not show it yet"
        return busy.get(current.id, "")

    def _now(self) -> datetime:
        return self.clock.now().astimezone(UTC)

    def _age(self, moment: datetime | None) -> float:
        return max(0.0, (self._now() - moment).total_seconds() * self.clock.scale) if moment else 0.0

    def _steady_age(self, folded: str, record: NameRecord | None) -> float:
        """For how long we have seen this intent, and its answer: a launch may be asked for long before it goes well.

        By our own steady clock: who wrote it may have a clock that is hours away from ours. Of two drivers' late writes
        an answer may be left without its intent.
        """
        if record is None or not (record.intent or record.born):
            return 0.0
        token = record.intent.token if record.intent else ""
        age = self.memory.unchanged(("intent", folded), f"{token} {record.born}")
        return max(0.0, age - self._passed)

    @property
    def _passed(self) -> float:
        """EC2's seconds since the instances were read: a call after that may have hung, and shows nothing of them."""
        return self.clock.monotonic() - self._began

    def _watched(self, *key: str, most: float = LAG) -> float:
        """EC2's seconds, from look to look: what is to end an instance is counted only while somebody looks."""
        return self.memory.watched(*key, most=min(most, max(GAP, LEAST_GAP * self.clock.scale)))

    def _ages(self, folded: str, record: NameRecord | None, current: Instance | None, answer: Answer) -> dict[str, Any]:
        since = self.memory.since
        ready = is_usable(current)
        running = bool(current and current.state is InstanceState.RUNNING)
        return {
            "asking_for": self._asking_for(folded, record),
            "intent_age": self._steady_age(folded, record),
            "unready_for": self._unready_for(current) if current and running and not ready else 0.0,
            "failed_for": since("failed", folded, _failed_attempt(answer)) if _failed_attempt(answer) else 0.0,
            "overdue_for": since("drained", folded, str(record.drained)) if record and record.drained else 0.0,
            "set_up_failures": self.memory.set_up_failures.get(current.id, 0) if current else 0,
            "unusable": self.memory.unusable.get(folded, 0),
            "set_up_error": self.memory.set_up_errors.get(current.id, "") if current else "",
        }

    def _unready_for(self, current: Instance) -> float:
        """What a node does is not made faster with the cloud's clock, so at most PACE of its seconds pass in one."""
        return self._watched("unready", current.id) * min(1.0, PACE / self.clock.scale)

    def _asking_for(self, folded: str, record: NameRecord | None) -> float:
        """What had passed when this driver first saw it, and from then on by the steady clock, which nobody sets."""
        if record is None or record.asking_since is None:
            return 0.0
        key = ("asking", folded, record.asking_since.isoformat())
        return self.memory.since(*key, already=self._age(record.asking_since))

    def _silence(self, wish: Wish, current: Instance | None, answer: Answer, *, asked: bool) -> dict[str, Any]:
        """How long nothing has been heard, neither by SSH nor over a master that does answer.

        While the master can not be asked it may be this machine's own network that is away: then nothing counts.
        """
        if current is None:
            return {}
        mute = isinstance(answer, Silent) or (isinstance(answer, Unreachable) and answer.by_ssh)
        if not mute or not asked:
            self.memory.forget("silent", current.id)
            return {}
        limit = max(wish.silent_limit, LEAST_LIMIT * self.clock.scale)
        passed = self._watched("silent", current.id, most=limit / 4)
        return {"silent_for": passed, "silent_too_long": passed >= limit}

    def _home_lost_for(self, current: Instance | None, answer: Answer, *, asked: bool) -> float:
        """How long it has gone without /home though the master answers, as far as it has told."""
        if current is None or not isinstance(answer, Report):
            return 0.0
        if not answer.home.is_lost or not asked:
            self.memory.forget("home", current.id)
            return 0.0
        return self.memory.since("home", current.id)


def master_of(instances: Sequence[Instance]) -> Instance | None:
    """The cluster's master that is not gone or going."""
    found = [one for one in instances if names.is_master(one.alias) and one.state.is_in_cluster]
    return min(found, key=lambda one: (not one.state.is_alive, one.id)) if found else None


def _by_name(instances: Sequence[Instance]) -> dict[str, list[Instance]]:
    found: dict[str, list[Instance]] = {}
    for one in instances:
        found.setdefault(names.fold(one.alias), []).append(one)
    return found


def _of(
    wish: Wish, instances: Mapping[str, Sequence[Instance]], records: Mapping[str, NameRecord]
) -> tuple[tuple[Instance, ...], NameRecord | None]:
    folded = names.fold(wish.name)
    return tuple(instances.get(folded, ())), records.get(folded)


def _is_for(request: SpotRequest, folded: str) -> bool:
    return names.fold(request.tags.get(_OWN_PREFIX, "")) == folded


def _failed_attempt(answer: Answer) -> str:
    run = answer.run if isinstance(answer, Report) else None
    failed = run is not None and run.state is not RunState.RUNNING and run.exit != 0
    return str(run.attempt) if run is not None and failed else ""
