"""Many names, taken away again and again: no work is lost beyond a checkpoint interval, nothing leaks.

EC2 takes machines that work, that boot and that are being set up; after a notice and without one; one by one and in
bursts. Each name trains the digits of examples/ with a checkpoint a second.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from starcluster.localcloud.control import LocalCloudError
from starcluster.localcloud.scenario.play import RealWorld
from tests.rehearsal.stage import ROOT
from tests.rehearsal.train.conftest import TAG, Driver, Scene, started, until

PACE, EVERY = 0.1, 1.0
SLACK = 12  # steps: a second's worth in which the machine was busy with other things
NOTICE = 600.0  # of EC2's seconds: 6 on the wall; the nodes share this machine and are not faster than it
BURST = 5  # every so many turns half of all names are taken at once
GROWTH = 40_000  # KiB that the driver may have more in the last quarter than in the second


class Soak(Scene):
    """The names, who takes them and what is counted."""

    def write_names(self, count: int) -> None:
        self.starcluster("put", TAG, str(ROOT / "examples" / "digits"), "/home")
        self.names = [f"soak{number}" for number in range(count)]
        train = f"python3 /home/digits/train.py --hidden 4 --steps 1000000 --pace {PACE} --every {EVERY}"
        self.write(**{name: f"test -e /home/go || exec {train} --out /home/{name}" for name in self.names})
        self.world = RealWorld(self.cloud)
        self.draw = random.Random(1)
        self.taken: dict[str, float] = {}
        self.kinds: Counter[str] = Counter()
        self.memory: list[int] = []

    def targets(self) -> list[dict[str, Any]]:
        """Instances of our names that EC2 runs and has not yet begun to take."""
        nodes = self.control("status")["nodes"]
        mine = [one for one in nodes if one["tags"].get("alias") in self.names and one["state"] == "running"]
        return [one for one in mine if one["instance_id"] not in self.taken]

    def take(self, node: dict[str, Any], among: str) -> None:
        instance = node["instance_id"]
        where = "at work" if self.world.is_working(instance) else "before its work"
        notice = self.draw.choice((0.0, NOTICE))
        try:
            self.control("interrupt", instance_id=instance, notice=notice)
        except LocalCloudError:
            return  # it has ended in this moment
        self.taken[instance] = notice
        self.kinds[f"{'notice' if notice else 'sudden'} {where}{among}"] += 1

    def turn(self, number: int, most: int) -> None:
        """Take one machine, or half of them."""
        ready = self.targets()
        count = len(self.names) // 2 if number % BURST == BURST - 1 else 1
        chosen = self.draw.sample(ready, min(len(ready), count, most))
        for node in chosen:
            self.take(node, " in a burst" if len(chosen) > 1 else "")

    def soak(self, driver: Driver, interruptions: int, pause: float, limit: float) -> None:
        end, number = time.monotonic() + limit, 0
        while len(self.taken) < interruptions:
            assert time.monotonic() < end, f"{len(self.taken)} of {interruptions} interruptions in {limit:.0f} s"
            assert driver.process.poll() is None, "the driver has ended"
            self.memory.append(resident(driver.process.pid))
            self.turn(number, interruptions - len(self.taken))
            number += 1
            time.sleep(pause * self.draw.uniform(0.3, 1.7))

    def all_work(self) -> bool:
        ready = self.targets()
        return len(ready) == len(self.names) and all(self.world.is_working(one["instance_id"]) for one in ready)

    def lost(self, name: str) -> dict[str, list[int]]:
        """Steps done again after each interruption, by its kind: from steps.log, whose lines are `attempt step`."""
        log = [line.split() for line in self.on_master(f"cat /home/{name}/steps.log").splitlines()]
        runs = {one["attempt"]: one["instance"] for one in self.journal(name) if one["event"] == "run"}
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for attempt, step in ((int(attempt), int(step)) for attempt, step in log):
            first.setdefault(attempt, step)
            assert step == last.get(attempt, step - 1) + 1, f"{name}: a step is missing in attempt {attempt}"
            last[attempt] = step
        found: dict[str, list[int]] = {"notice": [], "sudden": []}
        for before, after in zip(sorted(last), sorted(last)[1:], strict=False):
            again = last[before] + 1 - first[after]
            found["notice" if self.taken.get(runs.get(before, "")) else "sudden"].append(again)
        return found

    def checkpoints_are_used(self, name: str) -> None:
        """Each attempt begins where the last checkpoint was that the log tells of, or after it.

        The line that tells of the very last one may have died with the node; the checkpoint has not.
        """
        logs = self.on_master(f"cd /home/.starcluster/runs/{name}; for a in $(ls | sort -n); do cat $a/log; done")
        saved = 0
        for line in logs.splitlines():
            if found := re.match(r"checkpoint at step (\d+) ", line):
                saved = int(found[1])
            elif found := re.match(r"(?:resumed|begins) at step (\d+)", line):
                assert int(found[1]) >= saved, f"{name} went back to step {found[1]} although {saved} was saved"


def resident(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def growth(samples: list[int]) -> int:
    """KiB by which the last quarter's mean is over the second's: the first one still loads modules."""
    quarter = max(1, len(samples) // 4)
    second, last = samples[quarter : 2 * quarter], samples[-quarter:]
    return sum(last) // len(last) - sum(second) // len(second) if second else 0


@pytest.fixture
def soak(tmp_path: Path) -> Iterator[Soak]:
    with started(Soak(tmp_path, speed=100)) as made:
        yield made


def run(soak: Soak, *, names: int, interruptions: int, pause: float, limit: float) -> None:
    soak.write_names(names)
    before = costs(soak)
    began = time.monotonic()
    driver = soak.drive(*soak.names)
    until(soak.all_work, "all work", limit)
    soak.soak(driver, interruptions, pause, limit)
    until(soak.all_work, "all work again", limit)
    until(lambda: all(len(soak.alive(name)) == 1 for name in soak.names), "the end of the machines that were taken", 30)
    soak.on_master("touch /home/go")
    for node in soak.targets():
        soak.control("interrupt", instance_id=node["instance_id"], notice=NOTICE)
        soak.taken[node["instance_id"]] = NOTICE
    driver.ends(0, limit)
    report(soak, time.monotonic() - began)
    until(lambda: costs(soak) == before, "everything that costs is gone", 30)
    assert growth(soak.memory) < GROWTH


def costs(soak: Soak) -> dict[str, int]:
    """What there is, whosever it is; a dying instance is still one."""
    status = soak.control("status")
    requests = soak.ec2().describe_spot_instance_requests()["SpotInstanceRequests"]
    return {
        "instances": len(status["nodes"]),
        "volumes": status["volumes"],
        "groups": status["groups"],
        "requests": sum(one["State"] in ("open", "active") for one in requests),
    }


def report(soak: Soak, seconds: float) -> None:
    """Print what was done and lost; hold it against the bounds."""
    again: dict[str, list[int]] = {"notice": [], "sudden": []}
    for name in soak.names:
        for kind, steps in soak.lost(name).items():
            again[kind] += steps
        soak.checkpoints_are_used(name)
    print(f"\n{len(soak.names)} names, {sum(soak.kinds.values())} interruptions in {seconds:.0f} s")
    for kind, count in sorted(soak.kinds.items()):
        print(f"    {count:4d} {kind}")
    for kind, steps in again.items():
        print(f"    steps done again after {kind}: {sum(steps)} in {len(steps)}, at most {max(steps, default=0)}")
    first, last = soak.memory[0], soak.memory[-1]
    print(f"    driver: {first} KiB at first, {last} at last, growth {growth(soak.memory)}")
    assert max(again["notice"], default=0) == 0, "a notice cost work"
    assert max(again["sudden"], default=0) <= EVERY / PACE + SLACK, "more than one checkpoint interval was lost"


@pytest.mark.timeout(900)
@pytest.mark.long
def test_three_names(soak: Soak) -> None:
    run(soak, names=3, interruptions=8, pause=2.0, limit=120)


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_twenty_names(soak: Soak) -> None:
    run(soak, names=20, interruptions=300, pause=2.0, limit=3 * 3600)
