"""What `starcluster nodes` knows of one name: values from its record, its instances and its last report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starcluster.cluster.costs import TariffOf, reckon
from starcluster.cluster.namerecord import NameRecord, Spent
from starcluster.commands.listing import iso
from starcluster.commands.showing import duration, money, progress_words, saved_words, spent_words
from starcluster.commands.tables import Column
from starcluster.model import Instance

COLUMNS = (
    Column(head="NAME", style="bold"),
    Column(head="STATE"),
    Column(head="INSTANCE", rank=6),
    Column(head="TYPE", rank=4),
    Column(head="ZONE", rank=7),
    Column(head="MARKET", rank=9),
    Column(head="USD/H", rank=8, right=True),
    Column(head="AGE", rank=5, right=True),
    Column(head="TAKEN", rank=5, right=True),
    Column(head="ATTEMPT", rank=8, right=True),
    Column(head="PROGRESS", rank=1, right=True),
    Column(head="COST", rank=2, right=True),
    Column(head="SAVED", rank=3, right=True),
    Column(head="WHAT", least=20),
)
NONE = "-"


@dataclass(frozen=True, kw_only=True)
class NodeFacts:
    """`price`: US dollars an hour now, None = unknown; `watched`: a driver's lease has not run out."""

    record: NameRecord
    instance: Instance | None
    report: Mapping[str, Any]
    price: float | None
    spent: Spent
    watched: bool
    now: datetime

    @property
    def is_active(self) -> bool:
        return self.watched or (self.instance is not None and self.instance.state.is_in_cluster)

    @property
    def age(self) -> float | None:
        """Seconds since the instance was launched."""
        since = self.instance.launched if self.instance else None
        return max(0.0, (self.now - since).total_seconds()) if since else None

    @property
    def run(self) -> Mapping[str, Any]:
        """The last attempt as it was told last, also by an instance that is gone."""
        return self.report.get("run") or {}

    @property
    def phase(self) -> str:
        """What this very instance said last of itself; "" when it has not spoken."""
        mine = self.instance is not None and self.report.get("instance_id") == self.instance.id
        return str(self.report["phase"]) if mine else ""

    @property
    def what(self) -> str:
        """One phrase: the outcome; or what the node does; or, without a node, what is done about it."""
        record, here = self.record, self.instance
        if record.outcome:
            status = "" if record.outcome.exit in (0, None) else f", exit status {record.outcome.exit}"
            kept = ", and its node is kept" if here is not None and here.state.is_alive else ""
            return f"{record.outcome.state} {record.outcome.at:%Y-%m-%d %H:%M:%S} UTC{status}{kept}"
        if here is not None:
            doing = self.phase or ("being set up" if here.state.is_alive else str(here.state))
            return doing if self.watched else f"{doing}; nobody watches it: starcluster train {record.name}"
        if not self.watched:
            return f"no machine; starcluster train {record.name} gets it one"
        since = f" since {record.asking_since:%H:%M:%S} UTC" if record.asking_since else ""
        return ("being requested" if record.intent and not record.born else "waits for a machine") + since

    def words(self) -> list[str]:
        """One word or phrase for each of COLUMNS."""
        here = self.instance
        return [
            self.record.name,
            str(here.state) if here else "none",
            here.id if here else NONE,
            here.instance_type if here else NONE,
            here.zone if here else NONE,
            str(here.market) if here else NONE,
            money(self.price) if here else NONE,
            duration(self.age) if here else NONE,
            str(self.spent.interruptions),
            str(self.record.attempt.number or NONE),
            progress_words(self.run.get("step"), self.run.get("total")),
            spent_words(self.spent),
            saved_words(self.spent),
            self.what,
        ]

    def as_json(self) -> dict[str, Any]:
        """Stable names; times are ISO 8601 in UTC, durations seconds, money US dollars; null = none, or not known."""
        here, run, record = self.instance, self.run, self.record
        outcome = record.outcome
        return {
            "name": record.name,
            "cluster": record.cluster,
            "state": str(here.state) if here else None,
            "instance_id": here.id if here else None,
            "instance_type": here.instance_type if here else None,
            "zone": here.zone if here else None,
            "market": str(here.market) if here else None,
            "price_usd_per_hour": self.price,
            "launched_at": iso(here.launched if here else None),
            "age_seconds": self.age,
            "machines": record.generation,
            "interruptions": self.spent.interruptions,
            "attempt": record.attempt.number or None,
            "failures_in_a_row": record.attempt.failures,
            "phase": self.phase or None,
            "step": run.get("step"),
            "total": run.get("total"),
            "watched_by": record.lease.holder if record.lease and self.watched else None,
            "asking_since": iso(record.asking_since),
            "outcome": outcome and {"state": str(outcome.state), "at": iso(outcome.at), "exit": outcome.exit},
            "what": self.what,
            **_costs(self.spent),
        }


def _costs(spent: Spent) -> dict[str, Any]:
    """`cost_usd` is a lower bound where `cost_is_whole` is false."""
    return {
        "machine_seconds": round(spent.seconds, 3),
        "cost_usd": None if spent.unknown and not spent.usd else round(spent.usd, 6),
        "cost_is_whole": not spent.unknown,
        "on_demand_usd": None if spent.unpriced else round(spent.on_demand, 6),
        "saved_usd": None if spent.unpriced or spent.unknown else round(spent.on_demand - spent.usd, 6),
    }


def facts_of(
    record: NameRecord,
    instances: Sequence[Instance],
    report: Mapping[str, Any] | None,
    tariff_of: TariffOf,
    now: datetime,
) -> NodeFacts:
    """The facts at this moment. `instances`: all that have, or had, the name."""
    here = next((one for one in instances if one.id == record.born and not one.state.is_gone), None)
    tariff = tariff_of(here) if here else None
    return NodeFacts(
        record=record,
        instance=here,
        report=report or {},
        price=tariff.now(here.market) if here and tariff else None,
        spent=reckon(record, instances, tariff_of, now),
        watched=record.lease is not None and record.lease.until > now,
        now=now,
    )
