"""What the cloud knows beyond moto's tables: everything here is stored and read back at the next start."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any

from starcluster.localcloud.api.addresses import Addresses
from starcluster.localcloud.api.jobs import Job
from starcluster.localcloud.api.market import Market


@dataclass(frozen=True, kw_only=True)
class Token:
    """A client token that has been used: for which parameters, and what it made (nothing, if refused)."""

    fingerprint: str
    result: str | None


@dataclass(frozen=True, kw_only=True)
class Notice:
    """An announced interruption: `at` is when EC2 acts, wall time in UTC."""

    action: str
    at: datetime.datetime


@dataclass(kw_only=True)
class World:
    """The cloud's own tables."""

    addresses: Addresses = field(default_factory=Addresses)
    market: Market = field(default_factory=Market)
    jobs: dict[tuple[str, str], Job] = field(default_factory=dict)
    tokens: dict[tuple[str, str], Token] = field(default_factory=dict)
    notices: dict[str, Notice] = field(default_factory=dict)
    rebalances: dict[str, datetime.datetime] = field(default_factory=dict)
    placement_groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    spot_requests: dict[str, Any] = field(default_factory=dict)
    events_seen: int = 0  # the number of the hosts' last event that has been acted on
