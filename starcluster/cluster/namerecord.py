"""The record of one node's name: the tags of the launch template `sc-TAG-NAME`.

A node's instances come and go, its name's record stays: which generation of instance is wanted, what EC2 was
asked for (the intent, with its token), how often the command was started, how it ended, who supervises.
One fact is one tag (a tag holds 256 characters), so that two writers of different facts do not undo each other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

from starcluster import exception, names
from starcluster.clock import Clock
from starcluster.cluster.ownwrites import OwnWrites
from starcluster.cluster.record import CLUSTER, CURRENT_SCHEMA, GENERATION, SCHEMA
from starcluster.logger import log
from starcluster.model import LaunchTemplate, Market, Pool

NODE = "@sc-name"
TRY = "@sc-try"
INTENT = "@sc-intent"
ASKING = "@sc-asking-since"
BORN = "@sc-instance"
ATTEMPT = "@sc-attempt"
OUTCOME = "@sc-outcome"
LEASE = "@sc-lease"
DRAINED = "@sc-drained"
RELEASED = "@sc-released"
SPENT = "@sc-spent"
SUCCESSOR = "@sc-successor"
_REMEMBERED = 6  # of the instances that we ended ourselves; a tag's value is short
# EC2 refuses an empty template; nothing is ever launched from this one
_TEMPLATE_DATA = {"InstanceInitiatedShutdownBehavior": "terminate"}


class OutcomeState(StrEnum):
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What EC2 was, or is about to be, asked for."""

    token: str
    pool: Pool
    at: datetime
    max_price: float | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """The last start of the command: its number over the name's life, and on which generation.

    `failures`: failed starts in a row before it; `floor`: attempts up to this one belong to an earlier job.
    """

    number: int = 0
    generation: int = 0
    failures: int = 0
    floor: int = 0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    state: OutcomeState
    at: datetime
    exit: int | None = None
    attempt: int = 0
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Lease:
    holder: str
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What the name's ended instances have cost, up to and with those of `generation` (cluster/costs.py adds up).

    `seconds`: they ran; `usd`: estimated; `on_demand`: what the same time had cost on demand; `interruptions`: how
    many of them EC2 took; `unknown`, `unpriced`: of how many `usd`, or `on_demand`, lacks the part.
    """

    generation: int = 0
    seconds: float = 0.0
    usd: float = 0.0
    on_demand: float = 0.0
    interruptions: int = 0
    unknown: int = 0
    unpriced: int = 0


@dataclass(frozen=True, kw_only=True)
class Successor:
    """The instance that is made ready while the one before it still works, for a generation that is not yet.

    `at`: when it was first asked for; `intent`: with which words, None when EC2 refused; `born`: its id. One whose
    generation the record has reached is history, that tells when the name was last moved.
    """

    generation: int
    try_number: int
    at: datetime
    intent: Intent | None = None
    born: str = ""


@dataclass(frozen=True, kw_only=True)
class NameRecord:
    name: str
    cluster: str
    template_id: str = ""
    schema: int = CURRENT_SCHEMA
    generation: int = 0
    try_number: int = 0
    intent: Intent | None = None
    asking_since: datetime | None = None
    born: str = ""
    attempt: Attempt = Attempt()
    outcome: Outcome | None = None
    lease: Lease | None = None
    drained: int = 0
    released: tuple[str, ...] = ()
    spent: Spent = Spent()
    successor: Successor | None = None

    @property
    def highest(self) -> int:
        """The highest generation that anything was asked for by."""
        return max(self.generation, self.successor.generation if self.successor else 0)


def _seconds(moment: datetime) -> float:
    return round(moment.timestamp(), 3)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _intent_words(intent: Intent) -> list[object]:
    pool = intent.pool
    return [intent.token, pool.market, pool.instance_type, pool.zone, _seconds(intent.at), intent.max_price]


def _intent_of(words: Sequence[Any]) -> Intent:
    token, market, kind, zone, at, price = words
    pool = Pool(instance_type=kind, zone=zone, market=Market(market))
    return Intent(token=token, pool=pool, at=_moment(at), max_price=price)


def _outcome_text(outcome: Outcome) -> str:
    note = outcome.note[:100].encode("ascii", "replace").decode()
    return _dump([outcome.state, _seconds(outcome.at), outcome.exit, outcome.attempt, note])


def _outcome(text: str) -> Outcome:
    state, at, status, attempt, note = json.loads(text)
    return Outcome(state=OutcomeState(state), at=_moment(at), exit=status, attempt=attempt, note=note)


def _lease_text(lease: Lease) -> str:
    return _dump([lease.holder, _seconds(lease.until)])


def _lease(text: str) -> Lease:
    holder, until = json.loads(text)
    return Lease(holder=holder, until=_moment(until))


def _attempt_text(attempt: Attempt) -> str:
    return _dump([attempt.number, attempt.generation, attempt.failures, attempt.floor])


def _attempt(text: str) -> Attempt:
    number, generation, failures, floor = json.loads(text)
    return Attempt(number=number, generation=generation, failures=failures, floor=floor)


def _spent_text(spent: Spent) -> str:
    usd, on_demand = round(spent.usd, 6), round(spent.on_demand, 6)
    counts = (spent.interruptions, spent.unknown, spent.unpriced)
    return _dump([spent.generation, round(spent.seconds, 3), usd, on_demand, *counts])


def _spent(text: str) -> Spent:
    generation, seconds, usd, on_demand, interruptions, unknown, unpriced = json.loads(text)
    return Spent(
        generation=generation,
        seconds=float(seconds),
        usd=float(usd),
        on_demand=float(on_demand),
        interruptions=interruptions,
        unknown=unknown,
        unpriced=unpriced,
    )


def _successor_text(one: Successor) -> str:
    intent = _intent_words(one.intent) if one.intent else None
    return _dump([one.generation, one.try_number, _seconds(one.at), one.born, intent])


def _successor(text: str) -> Successor:
    generation, try_number, at, born, intent = json.loads(text)
    return Successor(
        generation=generation,
        try_number=try_number,
        at=_moment(at),
        born=born,
        intent=_intent_of(intent) if intent else None,
    )


def record_tags(record: NameRecord) -> dict[str, str]:
    """The whole record as tags; a fact that is not there has the value ""."""
    return {
        SCHEMA: str(record.schema),
        CLUSTER: record.cluster,
        NODE: record.name,
        GENERATION: str(record.generation),
        TRY: str(record.try_number),
        INTENT: _dump(_intent_words(record.intent)) if record.intent else "",
        ASKING: str(_seconds(record.asking_since)) if record.asking_since else "",
        BORN: record.born,
        ATTEMPT: _attempt_text(record.attempt),
        OUTCOME: _outcome_text(record.outcome) if record.outcome else "",
        LEASE: _lease_text(record.lease) if record.lease else "",
        DRAINED: str(record.drained),
        RELEASED: ",".join(record.released[-_REMEMBERED:]),
        SPENT: _spent_text(record.spent) if record.spent != Spent() else "",
        SUCCESSOR: _successor_text(record.successor) if record.successor else "",
    }


def read_record(template: LaunchTemplate) -> NameRecord:
    """The record that these tags are; RecordError when they can not be read or are of a newer program."""
    tags = template.tags
    try:
        schema = int(tags.get(SCHEMA, "0"))
        if schema > CURRENT_SCHEMA:
            raise exception.RecordError(
                f"the record of {template.name} has schema {schema}, this program knows {CURRENT_SCHEMA}",
                hint="update starcluster-spot on this machine",
            )
        return _read(template, schema)
    except (ValueError, TypeError, OverflowError) as error:
        raise exception.RecordError(
            f"the record of {template.name} can not be read: {error}",
            hint=f"look at the tags of the launch template {template.id}",
        ) from error


def _part(tags: Mapping[str, str], key: str, read: Callable[[str], Any]) -> Any:
    return read(tags[key]) if tags.get(key) else None


def _read(template: LaunchTemplate, schema: int) -> NameRecord:
    tags = template.tags
    return NameRecord(
        name=tags.get(NODE, ""),
        cluster=tags.get(CLUSTER, ""),
        template_id=template.id,
        schema=schema,
        generation=int(tags.get(GENERATION) or 0),
        try_number=int(tags.get(TRY) or 0),
        intent=_part(tags, INTENT, lambda text: _intent_of(json.loads(text))),
        asking_since=_part(tags, ASKING, lambda text: _moment(float(text))),
        born=tags.get(BORN, ""),
        attempt=_part(tags, ATTEMPT, _attempt) or Attempt(),
        outcome=_part(tags, OUTCOME, _outcome),
        lease=_part(tags, LEASE, _lease),
        drained=int(tags.get(DRAINED) or 0),
        released=tuple(one for one in tags.get(RELEASED, "").split(",") if one),
        spent=_part(tags, SPENT, _spent) or Spent(),
        successor=_part(tags, SUCCESSOR, _successor),
    )


class TemplateDoor(Protocol):
    """The part of aws.templates.Templates that records need."""

    def find(self, *, cluster: str) -> list[LaunchTemplate]: ...
    def get(self, name: str) -> LaunchTemplate | None: ...
    def create(self, name: str, tags: Mapping[str, str], data: Mapping[str, Any]) -> LaunchTemplate: ...
    def tag(self, template_id: str, tags: Mapping[str, str]) -> None: ...
    def tag_all(self, template_ids: Sequence[str], tags: Mapping[str, str]) -> None: ...


class NameRecords:
    """The records of one cluster's names."""

    def __init__(self, templates: TemplateDoor, cluster: str, *, clock: Clock | None = None) -> None:
        """With a clock what is written here is not forgotten while EC2's reads lag behind it."""
        self._templates = templates
        self._cluster = cluster
        self._own = OwnWrites(clock) if clock else None

    def find(self) -> dict[str, NameRecord]:
        """All records of the cluster by folded name; one that can not be read is said and left out."""
        found: dict[str, NameRecord] = {}
        for template in self._all():
            if not template.tags.get(NODE):
                continue
            try:
                record = read_record(template)
            except exception.RecordError as error:
                log.warning("%s", error)
                continue
            found[names.fold(record.name)] = record
        return found

    def _all(self) -> list[LaunchTemplate]:
        found = self._templates.find(cluster=self._cluster)
        if self._own is None:
            return found
        return [*map(self._own.corrected, found), *self._own.unshown(found)]

    def get(self, name: str) -> NameRecord | None:
        template = self._one(names.template_name(self._cluster, name))
        return read_record(template) if template else None

    def _one(self, name: str) -> LaunchTemplate | None:
        found = self._templates.get(name)
        if self._own is None:
            return found
        return self._own.corrected(found) if found else self._own.made(name)

    def ensure(self, name: str) -> NameRecord:
        """The name's record, made when it is missing; two makers at once end with the same record."""
        found = self.get(name)
        if found:
            return found
        record = NameRecord(name=name, cluster=self._cluster)
        tags = {key: value for key, value in record_tags(record).items() if value}
        try:
            made = self._templates.create(names.template_name(self._cluster, name), tags, _TEMPLATE_DATA)
        except exception.ConflictError:
            found = self.get(name)
            if found is None:
                raise
            return found
        if self._own is not None:
            self._own.note_made(made)
        return replace(record, template_id=made.id)

    def lease_all(self, records: Sequence[NameRecord], lease: Lease) -> None:
        """Write the same lease into many records, by one call whatever their number."""
        changes = {LEASE: _lease_text(lease)}
        self._templates.tag_all([one.template_id for one in records], changes)
        for one in records:
            self._written(one, changes)

    def _written(self, before: NameRecord, changes: Mapping[str, str]) -> None:
        if self._own is not None:
            self._own.note(before.template_id, record_tags(before), changes)

    def change(self, record: NameRecord, **facts: Any) -> NameRecord:
        """Write the facts that differ, in one call, and return the record as a reader finds it: moments as kept."""
        wanted = replace(record, **facts)
        before, after = record_tags(record), record_tags(wanted)
        different = {key: value for key, value in after.items() if before[key] != value}
        if different:
            self._templates.tag(record.template_id, different)
            self._written(record, different)
        name = names.template_name(self._cluster, record.name)
        return read_record(LaunchTemplate(id=record.template_id, name=name, tags=after))
