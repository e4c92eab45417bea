"""A refusal of one name is told at once, once, and stops no other name."""

from __future__ import annotations

from starcluster.aws.errors import launch_verdict
from starcluster.clock import Clock
from starcluster.model import Market, Pool, Verdict
from starcluster.supervisor.memory import Memory

CHEAP = Pool(instance_type="c5.large", zone="us-east-1a", market=Market.SPOT)
DEAR = Pool(instance_type="c5.xlarge", zone="us-east-1a", market=Market.SPOT)


def test_a_bid_below_the_price_is_a_shortage_of_this_pool_only() -> None:
    assert launch_verdict("SpotMaxPriceTooLow") is Verdict.ELSEWHERE


def test_the_same_refusal_is_news_once_until_a_launch_went_well() -> None:
    memory = Memory(Clock())
    assert memory.is_news("a", DEAR, "InsufficientInstanceCapacity")
    assert not memory.is_news("a", DEAR, "InsufficientInstanceCapacity")
    assert memory.is_news("a", CHEAP, "InsufficientInstanceCapacity")
    assert memory.is_news("a", DEAR, "SpotMaxPriceTooLow")
    assert memory.is_news("b", DEAR, "InsufficientInstanceCapacity")
    memory.forget_news("a")
    assert memory.is_news("a", DEAR, "InsufficientInstanceCapacity")
    assert not memory.is_news("b", DEAR, "InsufficientInstanceCapacity")
