"""The market options of a launch: what kind of spot request it makes."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starcluster.localcloud.api import errors

LOWEST_PRICE = 0.001
KINDS = ("one-time", "persistent")
BEHAVIOURS = ("terminate", "stop")


@dataclass(frozen=True, kw_only=True)
class SpotTerms:
    """A spot request's terms; `max_price` None means up to the on-demand price."""

    kind: str = "one-time"
    behaviour: str = "terminate"
    max_price: float | None = None
    valid_until: datetime.datetime | None = None

    @property
    def is_persistent(self) -> bool:
        return self.kind == "persistent"


def read_terms(market: Mapping[str, Any] | None) -> SpotTerms | None:
    """RunInstances' InstanceMarketOptions; None for an instance on demand."""
    if not market:
        return None
    kind = market.get("MarketType") or "spot"
    if kind == "on-demand":
        return None
    if kind != "spot":
        raise errors.Refusal("UnsupportedOperation", f"The local cloud has no market of type '{kind}'")
    options = market.get("SpotOptions") or {}
    terms = check_terms(
        kind=options.get("SpotInstanceType") or "one-time",
        behaviour=options.get("InstanceInterruptionBehavior") or "terminate",
        max_price=options.get("MaxPrice"),
        valid_until=options.get("ValidUntil"),
    )
    # RunInstances' own rules: RequestSpotInstances knows neither.
    if terms.is_persistent and terms.behaviour == "terminate":
        raise errors.bad_combination("A persistent Spot request needs an interruption behavior of stop or hibernate")
    if terms.valid_until is not None and not terms.is_persistent:
        raise errors.bad_combination("ValidUntil is supported for persistent Spot requests only")
    return terms


def check_terms(*, kind: str, behaviour: str, max_price: Any, valid_until: Any) -> SpotTerms:
    """Terms as both calls take them."""
    if kind not in KINDS:
        raise errors.invalid_value(kind, "spotInstanceType")
    if behaviour == "hibernate":
        raise errors.Refusal("UnsupportedHibernationConfiguration", "The local cloud cannot hibernate instances")
    if behaviour not in BEHAVIOURS:
        raise errors.invalid_value(behaviour, "instanceInterruptionBehavior")
    if kind == "one-time" and behaviour == "stop":
        raise errors.bad_combination("The interruption behavior stop needs a persistent Spot request")
    return SpotTerms(kind=kind, behaviour=behaviour, max_price=_price(max_price), valid_until=valid_until)


def _price(value: Any) -> float | None:
    if value in (None, ""):
        return None
    try:
        price = float(value)
    except ValueError:
        raise errors.invalid_value(value, "price", "It is not a number.") from None
    if not price > LOWEST_PRICE:
        raise errors.invalid_value(value, "price", f"The price must be greater than {LOWEST_PRICE}")
    return price
