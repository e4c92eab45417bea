"""Prices, capacity and quotas: what decides whether an instance may be had."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum

from starcluster.localcloud.api import catalog

# The spot price when nobody set one: this part of the on-demand price, and a little more in each further zone.
SPOT_PART = 0.30
ZONE_STEP = 0.01
HISTORY_DAYS = 90


class MarketKind(StrEnum):
    """How an instance is paid for."""

    SPOT = "spot"
    ON_DEMAND = "on-demand"


@dataclass(frozen=True, kw_only=True)
class PriceChange:
    """From `at` (seconds since the epoch) on, `price` dollars an hour."""

    at: float
    price: float


@dataclass(kw_only=True)
class Market:
    """Spot prices by type and zone with their history; capacity of pools; quotas in vCPUs."""

    began: float = field(default_factory=time.time)
    changes: dict[tuple[str, str], list[PriceChange]] = field(default_factory=dict)
    capacity: dict[tuple[str, str, MarketKind], int] = field(default_factory=dict)
    quotas: dict[MarketKind, int] = field(default_factory=dict)

    def price(self, instance_type: str, zone: str) -> float:
        """The spot price now."""
        return self.history(instance_type, zone)[-1].price

    def set_price(self, instance_type: str, zone: str, value: float | None) -> None:
        """Change the spot price; None means back to the default."""
        price = usual_price(instance_type, zone) if value is None else value
        known = self.changes.setdefault((instance_type, zone), [])
        known.append(PriceChange(at=time.time(), price=price))

    def history(self, instance_type: str, zone: str) -> list[PriceChange]:
        """All price changes, oldest first; the first one is as old as EC2's memory."""
        first = PriceChange(at=self.began - HISTORY_DAYS * 86400, price=usual_price(instance_type, zone))
        return [first, *self.changes.get((instance_type, zone), [])]

    def set_capacity(self, instance_type: str, zone: str, kind: MarketKind, count: int | None) -> None:
        """How many instances the pool can hold; None means without limit."""
        if count is None:
            self.capacity.pop((instance_type, zone, kind), None)
        else:
            self.capacity[instance_type, zone, kind] = count

    def room(self, instance_type: str, zone: str, kind: MarketKind, *, alive: int) -> int | None:
        """How many more instances the pool can hold while `alive` are in it; None means without limit."""
        count = self.capacity.get((instance_type, zone, kind))
        return None if count is None else max(0, count - alive)

    def set_quota(self, kind: MarketKind, vcpus: int | None) -> None:
        if vcpus is None:
            self.quotas.pop(kind, None)
        else:
            self.quotas[kind] = vcpus


def usual_price(instance_type: str, zone: str) -> float:
    """The spot price that nobody set: derived from the on-demand price, a little different in each zone."""
    step = ord(zone[-1]) - ord("a")
    return round(catalog.on_demand_price(instance_type) * (SPOT_PART + ZONE_STEP * step), 6)
