"""Where EC2 is asked for a node's machine: which type in which zone first, weighed by price."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.logger import log
from starcluster.model import Market, Pool

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2
    from starcluster.clock import Clock
    from starcluster.cluster.launching import NodeSpec

_AGE = 60.0  # EC2's seconds; spot prices change every few minutes
ANY = "any"


def pools_of(spec: NodeSpec, market: Market, prices: Mapping[Pool, float]) -> list[Pool]:
    """All pools that the node may come from, the cheapest first; equal ones in the order of the config.

    A spot pool without a price is not offered, and is asked last. On demand, a price that is not known is no low
    price: then the config's order stands.
    """
    found = [
        Pool(instance_type=kind, zone=zone, market=market) for zone in spec.zones or (spec.zone,) for kind in spec.types
    ]
    if market is Market.ON_DEMAND and any(pool not in prices for pool in found):
        return found
    return sorted(found, key=lambda pool: prices.get(pool, math.inf))


def cheapest_zones(zones: Sequence[str], prices: Mapping[Pool, float]) -> list[str]:
    """The zones, the one with the cheapest machine first."""

    def least(zone: str) -> float:
        return min((price for pool, price in prices.items() if pool.zone == zone), default=math.inf)

    return sorted(zones, key=least)


def types_for(kind: str, *, default: str, others: Sequence[str]) -> tuple[str, ...]:
    """What will do as well as `kind`, from the items of NODE_INSTANCE_TYPES_OR: `OTHER`, or `KIND:OTHER`."""
    pairs = [item.split(":", 1) if ":" in item else [default, item] for item in others]
    return tuple(dict.fromkeys(other.strip() for of, other in pairs if of.strip() == kind and other.strip() != kind))


class Offers:
    """What machines cost now, asked once a minute for all nodes that are launched together."""

    def __init__(self, ec2: Ec2, clock: Clock) -> None:
        self._ec2, self._clock = ec2, clock
        self._known: dict[tuple[str, ...], tuple[float, dict[Pool, float]]] = {}

    def prices(self, types: Sequence[str], zones: Sequence[str], market: Market) -> Mapping[Pool, float]:
        """US dollars an hour, as far as they are known; {} where there is nothing to choose."""
        if len(types) * len(zones) < 2:
            return {}
        now, key = self._clock.monotonic(), (market, *types, "", *zones)
        known = self._known.get(key)
        if known is None or now - known[0] > _AGE:
            known = self._known[key] = (now, self._ask(types, zones, market))
        return known[1]

    def _ask(self, types: Sequence[str], zones: Sequence[str], market: Market) -> dict[Pool, float]:
        try:
            if market is Market.SPOT:
                found = self._ec2.spot.current_prices(types, zones)
            else:
                each = {kind: self._ec2.prices.on_demand(kind) for kind in types}
                found = {(kind, zone): price for kind, price in each.items() if price is not None for zone in zones}
        except exception.AWSError as error:
            log.debug("no prices of %s: %s", ", ".join(types), error)
            return {}
        return {Pool(instance_type=kind, zone=zone, market=market): price for (kind, zone), price in found.items()}
