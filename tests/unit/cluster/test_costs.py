"""What a name has cost, reckoned from values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from starcluster.clock import Clock
from starcluster.cluster.costs import Meter, Tariff, reckon, settle
from starcluster.cluster.namerecord import NameRecord, Spent
from starcluster.cluster.record import GENERATION
from starcluster.model import Instance, InstanceState, Market, SpotPrice
from tests.fakes.ec2 import FakeEc2, fake_error

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def price(usd: float, hours: float = -5) -> SpotPrice:
    return SpotPrice(instance_type="c5.large", zone="z", price=usd, at=START + hours * HOUR)


TARIFF = Tariff(spot=(price(0.1),), on_demand=0.4)


def node(generation: int = 1, state: InstanceState = InstanceState.RUNNING, **more: object) -> Instance:
    facts: dict[str, object] = {"launched": START, "market": Market.SPOT, "tags": {GENERATION: str(generation)}}
    return Instance(id=f"i-{generation}", state=state, **(facts | more))  # type: ignore[arg-type]


def gone(generation: int = 1, reason: str = "Server.SpotInstanceTermination", **more: object) -> Instance:
    return node(generation, InstanceState.TERMINATED, reason_code=reason, **more)


def record(generation: int = 1, **more: object) -> NameRecord:
    return NameRecord(name="n", cluster="c", generation=generation, born=f"i-{generation}", **more)  # type: ignore[arg-type]


def settled(known: NameRecord, *instances: Instance, hours: float = 1) -> Spent:
    return settle(known, instances, lambda _: TARIFF, START + hours * HOUR)


def reckoned(known: NameRecord, *instances: Instance, hours: float = 1) -> Spent:
    return reckon(known, instances, lambda _: TARIFF, START + hours * HOUR)


@pytest.mark.parametrize(
    ("prices", "paid"),
    [
        ((price(0.1),), 0.2),
        ((price(0.1), price(0.3, 1)), 0.4),
        ((price(9), price(0.1, -1), price(0.3, 1)), 0.4),
        ((price(0.1), price(0.3, 5)), 0.2),
        ((price(0.1, 1),), 0.2),
    ],
)
def test_each_spot_price_counts_for_the_time_that_it_held(prices: tuple[SpotPrice, ...], paid: float) -> None:
    assert Tariff(spot=prices).paid(Market.SPOT, START, START + 2 * HOUR) == pytest.approx(paid)


def test_what_runs_is_reckoned_and_not_settled() -> None:
    spent = reckoned(record(), node(), hours=2)
    assert [spent.usd, spent.on_demand, spent.seconds] == pytest.approx([0.2, 0.8, 7200])
    assert settled(record(), node()) == Spent()


def test_the_end_is_when_ec2_says() -> None:
    ended = gone(transition_reason="Service initiated (2026-01-31 12:30:00 GMT)")
    assert settled(record(), ended, hours=50).seconds == 1800
    assert settled(record(), gone(), hours=2).seconds == 7200


def test_a_generation_is_settled_once() -> None:
    first = settled(record(2), gone(1), node(2))
    assert [first.generation, first.usd, first.interruptions] == pytest.approx([1, 0.1, 1])
    assert settled(record(2, spent=first), gone(1), node(2), hours=9) == first
    whole = reckoned(record(2, spent=first), gone(1), node(2), hours=1)
    assert whole.usd == pytest.approx(0.2)


def test_a_drained_node_that_still_lives_is_settled_when_it_is_gone() -> None:
    assert settled(record(2), node(1), node(2)).generation == 0
    assert settled(record(2), node(1), gone(2)).generation == 0
    assert reckoned(record(2), node(1), node(2)).usd == pytest.approx(0.2)


def test_only_what_ec2_took_is_an_interruption() -> None:
    assert settled(record(), gone(reason="Client.UserInitiatedShutdown")).interruptions == 0
    assert settled(record(), gone(reason="Server.InternalError")).interruptions == 1
    stopped = node(state=InstanceState.STOPPED, reason_code="Server.ScheduledStop")
    assert reckoned(record(), stopped).interruptions == 0


def test_what_nobody_saw_end_is_unknown_and_not_free() -> None:
    spent = settled(record(3), node(3))
    assert (spent.generation, spent.unknown, spent.unpriced) == (2, 2, 2)
    assert reckoned(record(1)).unknown == 1
    assert reckoned(NameRecord(name="n", cluster="c", generation=1)).unknown == 0


def test_without_prices_the_time_is_known_and_the_cost_is_not() -> None:
    spent = reckon(record(), [node()], lambda _: None, START + HOUR)
    assert (spent.seconds, spent.unknown, spent.unpriced) == (3600, 1, 1)
    only_spot = reckon(record(), [node()], lambda _: Tariff(spot=(price(0.1),)), START + HOUR)
    assert (only_spot.unknown, only_spot.unpriced) == (0, 1)


def test_on_demand_is_paid_by_its_own_price() -> None:
    spent = reckoned(record(), node(market=Market.ON_DEMAND))
    assert spent.usd == spent.on_demand == pytest.approx(0.4)


def test_prices_are_asked_for_once_in_a_while() -> None:
    ec2 = FakeEc2()
    meter = Meter(ec2, Clock())
    assert meter.known(node()) is None
    for _ in range(3):
        assert meter.ask(node()) is not None
    assert ec2.count("spot.history") == 1
    meter.ask(node(launched=START - HOUR))
    assert ec2.count("spot.history") == 2


def test_what_can_not_be_priced_now_is_settled_later() -> None:
    ec2 = FakeEc2()
    ec2.fail_next("spot.history", fake_error("RequestLimitExceeded"))
    meter = Meter(ec2, Clock(1e9))
    assert meter.settle(record(), [gone()]) == Spent()
    assert meter.settle(record(), [gone()]).generation == 1
