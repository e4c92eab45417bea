"""Points at which something is killed: a call that the local cloud holds back, before or after it is carried out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.rehearsal.train.conftest import Scene

GONE = ("terminated", "shutting-down")


@dataclass(frozen=True, kw_only=True)
class Call:
    """The nth call of one of EC2's actions in a record; a subclass may mean a command on a node instead."""

    action: str
    nth: int
    at: float

    def __str__(self) -> str:
        return f"{self.action} {self.nth}"

    @property
    def hold(self) -> dict[str, Any]:
        """What the control's `hold` wants of it."""
        return {"action": self.action, "nth": self.nth}

    @property
    def changes(self) -> bool:
        return not self.action.startswith(("Describe", "Get"))


@dataclass(frozen=True, kw_only=True)
class Point:
    call: Call
    when: str

    def __str__(self) -> str:
        return f"{self.when} {self.call}"


class Watched(Scene):
    """A scene whose cloud is looked at whole, without our code and without a filter."""

    def newest(self) -> int:
        """The number of the newest entry of the record of calls."""
        number = 0
        while entries := self.control("log", after=number)["entries"]:
            number = entries[-1]["number"]
        return number

    def world(self) -> dict[str, set[str]]:
        """Everything that costs or stays, whosever it is: no filter by tags."""
        ec2 = self.ec2()
        pages = ec2.get_paginator("describe_instances").paginate()
        machines = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
        requests = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
        snapshots = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
        return {
            "instances": {one["InstanceId"] for one in machines if one["State"]["Name"] not in GONE},
            "volumes": {f"{one['VolumeId']} {one['State']}" for one in ec2.describe_volumes()["Volumes"]},
            "snapshots": {f"{one['SnapshotId']} {one['State']}" for one in snapshots},
            "requests": {one["SpotInstanceRequestId"] for one in requests if one["State"] in ("open", "active")},
            "groups": {one["GroupName"] for one in ec2.describe_security_groups()["SecurityGroups"]},
            "templates": {one["LaunchTemplateName"] for one in ec2.describe_launch_templates()["LaunchTemplates"]},
        }

    @property
    def is_parked(self) -> bool:
        """Whether a call is held back right now."""
        return any(one["parked"] for one in self.control("holds")["holds"])

    def clear_up(self) -> None:
        """After a point that went wrong: nothing of it is to be in the way of the next one."""
        raise NotImplementedError


def spread(many: list[Any], count: int) -> list[Any]:
    """So many of them, from the whole length."""
    return [many[(2 * place + 1) * len(many) // (2 * count)] for place in range(min(count, len(many)))]


def at_points(scene: Watched, points: list[Any], do: Callable[[Any], str]) -> Iterator[str]:
    """Try all points; what went wrong, with the point. The count and the outcome are printed."""
    failures, outcomes = [], Counter[str]()
    began = time.monotonic()
    for number, point in enumerate(points, 1):
        if number % 10 == 0:
            print(f"{number} of {len(points)} after {time.monotonic() - began:.0f} s", flush=True)
        try:
            outcomes[do(point)] += 1
        except AssertionError as error:
            failures.append(f"{point}: {error}")
            print(f"FAILED {failures[-1]}", flush=True)
            scene.clear_up()
    told = ", ".join(f"{count} {what}" for what, count in outcomes.items())
    print(f"\n{len(points)} points in {time.monotonic() - began:.0f} s: {told}, {len(failures)} failed")
    yield from failures
