"""What a named node has cost: settled in its name's record for the instances that ended, reckoned for what runs.

An estimate: the time from LaunchTime to the end (EC2's own word for it, else the moment when the end was seen), by
the pool's spot price history, or by the on-demand price for an on-demand instance. What an instance cost before it was
stopped and started again is not in it, nor are volumes, traffic and the master. What is not known is counted
as unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any, Protocol

from starcluster import exception, names
from starcluster.clock import Clock
from starcluster.cluster.namerecord import NameRecord, Spent
from starcluster.cluster.record import GENERATION
from starcluster.logger import log
from starcluster.model import Instance, InstanceState, Market, Pool, SpotPrice

FRESH = 900.0  # EC2's seconds that a pool's prices are good for
_ENDED = (InstanceState.SHUTTING_DOWN, InstanceState.TERMINATED)
_MOMENT = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)")
_TAKEN = "Server."  # what EC2's reason for an end begins with when it was not us and not the instance itself


@dataclass(frozen=True, kw_only=True)
class Tariff:
    """The prices of one type in one zone: spot, oldest first (empty: unknown), and on demand (None: unknown)."""

    spot: tuple[SpotPrice, ...] = ()
    on_demand: float | None = None

    def now(self, market: Market) -> float | None:
        """US dollars an hour at the end of what is known."""
        if market is Market.ON_DEMAND:
            return self.on_demand
        return self.spot[-1].price if self.spot else None

    def paid(self, market: Market, start: datetime, end: datetime) -> float | None:
        """What that time cost; None = unknown."""
        if market is Market.ON_DEMAND:
            return None if self.on_demand is None else self.on_demand * _hours(start, end)
        return _paid_on_spot(self.spot, start, end) if self.spot else None


def _hours(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds()) / 3600


def _paid_on_spot(prices: Sequence[SpotPrice], start: datetime, end: datetime) -> float:
    """Each price holds until the next one; the first also for what was before it."""
    starts = [start, *(min(max(one.at, start), end) for one in prices[1:])]
    ends = [*starts[1:], end]
    return sum(one.price * _hours(a, b) for one, a, b in zip(prices, starts, ends, strict=True))


TariffOf = Callable[[Instance], Tariff | None]


def end_of(instance: Instance, now: datetime) -> datetime:
    """Until when it has cost: now while it runs, else as EC2 tells, else the moment of this look."""
    told = _MOMENT.search(instance.transition_reason)
    if not told or instance.state.is_alive:
        return now
    return datetime.strptime(told[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


def _with(spent: Spent, instance: Instance, tariff: Tariff | None, now: datetime) -> Spent:
    """The sum with this instance in it."""
    taken = instance.state in _ENDED and instance.reason_code.startswith(_TAKEN)
    spent = replace(spent, interruptions=spent.interruptions + taken)
    if instance.launched is None:
        return replace(spent, unknown=spent.unknown + 1, unpriced=spent.unpriced + 1)
    end, known = end_of(instance, now), tariff or Tariff()
    usd = known.paid(instance.market, instance.launched, end)
    full = known.paid(Market.ON_DEMAND, instance.launched, end)
    return replace(
        spent,
        seconds=spent.seconds + _hours(instance.launched, end) * 3600,
        usd=spent.usd + (usd or 0.0),
        on_demand=spent.on_demand + (full or 0.0),
        unknown=spent.unknown + (usd is None),
        unpriced=spent.unpriced + (full is None),
    )


def generation_of(instance: Instance, record: NameRecord) -> int:
    """Of which generation of the name an instance is; 0 = none of ours made it."""
    if instance.id == record.born:
        return record.generation
    tag = instance.tags.get(GENERATION, "")
    return int(tag) if tag.isdigit() else 0


def _uncounted(record: NameRecord, instances: Sequence[Instance]) -> Iterator[tuple[int, list[Instance]]]:
    """The generations that are not in the record's sum yet, the oldest first, with what EC2 still shows of them.

    Also the one that is made ready while the record's own still works: it costs from its launch on.
    """
    highest = max((generation_of(one, record) for one in instances), default=0)
    for number in range(record.spent.generation + 1, max(record.generation, highest) + 1):
        yield number, [one for one in instances if generation_of(one, record) == number]


def _with_all(spent: Spent, shown: Sequence[Instance], tariff_of: TariffOf, now: datetime) -> Spent:
    for one in shown:
        spent = _with(spent, one, tariff_of(one), now)
    return spent if shown else replace(spent, unknown=spent.unknown + 1, unpriced=spent.unpriced + 1)


def is_due(record: NameRecord, instances: Sequence[Instance]) -> bool:
    """Whether something has ended that is not in the record's sum."""
    return any(_is_over(record, *pair) for pair in list(_uncounted(record, instances))[:1])


def _is_over(record: NameRecord, number: int, shown: Sequence[Instance]) -> bool:
    """All of that generation have ended, or EC2 has forgotten them."""
    return all(one.state in _ENDED for one in shown) if shown else number < record.generation


def settle(record: NameRecord, instances: Sequence[Instance], tariff_of: TariffOf, now: datetime) -> Spent:
    """The record's sum with what has ended since, generation by generation; doing it twice adds nothing."""
    spent = record.spent
    for number, shown in takewhile(lambda pair: _is_over(record, *pair), _uncounted(record, instances)):
        spent = replace(_with_all(spent, shown, tariff_of, now), generation=number)
    return spent


def reckon(record: NameRecord, instances: Sequence[Instance], tariff_of: TariffOf, now: datetime) -> Spent:
    """All that the name has cost until now, with what runs."""
    spent = record.spent
    for number, shown in _uncounted(record, instances):
        if shown or number < record.generation or record.born:
            spent = _with_all(spent, shown, tariff_of, now)
    return spent


class PriceDoor(Protocol):
    """The part of aws.session.Ec2 that prices are asked of."""

    @property
    def spot(self) -> Any: ...
    @property
    def prices(self) -> Any: ...


class Meter:
    """Asks for prices, once in a while for each type and zone, and remembers them."""

    def __init__(self, ec2: PriceDoor, clock: Clock) -> None:
        self._ec2 = ec2
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[float, datetime, Tariff | None]] = {}

    def now(self) -> datetime:
        return self._clock.now().astimezone(UTC)

    def known(self, instance: Instance) -> Tariff | None:
        """What is known without asking; None = nothing."""
        found = self._known.get((instance.instance_type, instance.zone))
        return found[2] if found else None

    def ask(self, instance: Instance) -> Tariff | None:
        """The prices since its launch; None when EC2 does not tell, and then it is not asked again for a while."""
        return self._ask(instance.instance_type, instance.zone, instance.launched or self.now())

    def price_in(self, pool: Pool) -> float | None:
        """US dollars an hour there, of late; None when EC2 does not tell."""
        tariff = self._ask(pool.instance_type, pool.zone, self.now() - timedelta(seconds=FRESH))
        return tariff.now(pool.market) if tariff else None

    def _ask(self, kind: str, zone: str, since: datetime) -> Tariff | None:
        key = (kind, zone)
        found = self._known.get(key)
        if found and self._clock.monotonic() < found[0] and found[1] <= since:
            return found[2]
        tariff = self._fetch(kind, zone, since)
        self._known[key] = (self._clock.monotonic() + FRESH, since, tariff)
        return tariff

    def _fetch(self, kind: str, zone: str, since: datetime) -> Tariff | None:
        try:
            spot = self._ec2.spot.history(kind, zone, since, self.now())
        except exception.AWSError as error:
            log.debug("no spot prices of %s in %s: %s", kind, zone, error)
            return None
        return Tariff(spot=tuple(spot), on_demand=self._ec2.prices.on_demand(kind))

    def settle(self, record: NameRecord, instances: Sequence[Instance]) -> Spent:
        """The record's new sum; the old one while prices are missing, for they may be there later."""
        over = takewhile(lambda pair: _is_over(record, *pair), _uncounted(record, instances))
        if any(self.ask(one) is None for _, shown in over for one in shown):
            return record.spent
        return settle(record, instances, self.ask, self.now())


def of_name(instances: Sequence[Instance], name: str) -> list[Instance]:
    """The instances that have, or had, this name."""
    return [one for one in instances if names.fold(one.alias) == names.fold(name)]
