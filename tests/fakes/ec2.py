"""EC2 in memory, of the same shape as starcluster.aws.session.Ec2, for unit tests.

It keeps EC2's promises that our code leans on: tokens, states, tags, what refuses to be deleted.
It can be told of trouble: `ec2.refuse(...)`, `ec2.fail_next(...)`, `ec2.lag`. Time passes by `ec2.advance()`:
one step brings pending to running, shutting-down to terminated, and so on (`auto_advance` does it at each find).
Every call is in `ec2.calls` as (method, main argument).
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from starcluster import exception
from starcluster.model import (
    LaunchRequest,
)
from tests.fakes.disks import FakeVolumes
from tests.fakes.images import FakeImages
from tests.fakes.machines import FakeInstances, FakeSpot
from tests.fakes.objects import FakeObjects
from tests.fakes.records import FakeNetwork, FakePrices, FakeTemplates
from tests.fakes.snapshots import FakeSnapshots
from tests.fakes.trouble import REGION, START, VPC, fake_error

__all__ = ["REGION", "START", "VPC", "FakeEc2", "fake_error"]


class FakeEc2:
    def __init__(self, *, auto_advance: bool = True, zones: Sequence[str] = ("us-east-1a", "us-east-1b")):
        self.auto_advance = auto_advance
        self.zone_names = list(zones)
        self.region = REGION
        self.cloud: Any = None
        self.calls: list[tuple[str, Any]] = []
        self.lag = 0  # how many finds still show the world without the newest instances
        self.now = START
        self._numbers = itertools.count(1)
        self._refused: dict[tuple[str, str, str], str] = {}
        self._failures: dict[str, list[exception.AWSError]] = defaultdict(list)
        self.instances = FakeInstances(self)
        self.spot = FakeSpot(self)
        self.volumes = FakeVolumes(self)
        self.snapshots = FakeSnapshots(self)
        self.images = FakeImages(self)
        self.network = FakeNetwork(self)
        self.objects = FakeObjects(self)
        self.templates = FakeTemplates(self)
        self.prices = FakePrices()

    # -- trouble

    def refuse(
        self, code: str = "InsufficientInstanceCapacity", *, instance_type: str = "", zone: str = "", market: str = ""
    ) -> None:
        """From now on refuse launches that fit (empty = any) with this code; `relent()` ends it."""
        self._refused[instance_type, zone, market] = code

    def relent(self) -> None:
        self._refused.clear()

    def fail_next(self, method: str, error: exception.AWSError, times: int = 1) -> None:
        """Let the next calls of e.g. "instances.find" raise the error."""
        self._failures[method].extend([error] * times)

    def note(self, method: str, about: Any = None) -> None:
        self.calls.append((method, about))
        if self._failures[method]:
            raise self._failures[method].pop(0)

    def count(self, method: str) -> int:
        return sum(1 for name, _ in self.calls if name == method)

    def check_capacity(self, request: LaunchRequest) -> None:
        for (kind, zone, market), code in self._refused.items():
            if kind in ("", request.instance_type) and zone in ("", request.zone) and market in ("", request.market):
                raise fake_error(code)

    # -- time and ids

    def new_id(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers):017x}"

    def advance(self, seconds: float = 10) -> None:
        """Let everything that is on its way arrive."""
        self.now += timedelta(seconds=seconds)
        self.instances.advance()
        self.volumes.advance()
        self.snapshots.advance()

    def tick(self) -> None:
        if self.auto_advance:
            self.advance()
