"""From the loss of a node to its drive mounted on the next one; snapshots and restores of drives of many sizes.

    python benchmarks/drives.py [--rounds 3] [--speed 1] [--no-peer]          the losses
    python benchmarks/drives.py --copies [--rounds 3] [--speed 20]            snapshots and restores

The losses: same zone with EC2's notice, same zone without one, and another zone because the first one has run out. The
named peer is drive_by_hand.sh, what somebody types who has the aws command and no drives. It begins at the moment of
the loss, knows at once that the zone is dry, and both lose their machines at the same time, so that what else this
machine does hits both. The aws command is among the developer's tools (. scripts/setup.sh dev); --no-peer does without.

Measured is from the cloud's own stamp of the loss to the stamp of the mount. The cloud's part is the time covered by
its own work: the old machine's end (without a notice), the new one's boot, detaching, storing the snapshot, making the
volume, attaching. The local cloud takes as long for it as EC2 is seen to take, divided by --speed. The aws command's
waiters look every 15 seconds at any speed, so only with --speed 1 are the two to be compared.

Snapshots and restores are those of `starcluster drive`, with the whole start of the command. How long EC2 stores a
snapshot is a constant of the local cloud (20 s and 1 s a GiB): a figure for its own part says nothing about AWS.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from drive_copies import copies
from figures import machine, spread, table
from ground import LIKE_EC2, ROOT, BenchmarkFailed, Entry, Ground, covered, ground, instant, load

from starcluster.localcloud import control
from starcluster.localcloud.api.timing import Timing

CLUSTER, NODE, DRIVE = "drives", "mynode", "data"
ZONES = ("us-east-1a", "us-east-1b")
COMMAND = "exec sleep 100000"
NOTICE = 120
SETTLED = 3.0
TYPE = "c5.large"
# Moving at once is what is compared. By default a cheaper zone is waited for as long as that saves more than it costs.
HOUR_WORTH = "1"
KINDS = {
    "notice": "same zone, with notice",
    "death": "same zone, without notice",
    "away": "other zone, with notice",
}
# An unmounted volume is let go within 10 s; ground's figure is for machines in use.
DURATIONS = {**LIKE_EC2, "detach": 8}


@dataclass(frozen=True, kw_only=True)
class Carried:
    """A machine and the volume that is mounted there."""

    instance: str
    volume: str


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Seconds of the wall from the loss to the mount, and how much of it was the cloud's own work."""

    wall: float
    cloud: float

    @property
    def own(self) -> float:
        return self.wall - self.cloud


class ByHand:
    """The shell script on machines of its own."""

    def __init__(self, made: Ground) -> None:
        self._made = made
        unset = {*control.UNSET}
        kept = {name: value for name, value in made.env.items() if name not in unset}
        self._env = {**kept, **control.env(made.cloud)}
        self._env["IMAGE"], self._env["GROUP"] = self._words(
            "aws", "ec2", "describe-instances", "--filters", "Name=tag:alias,Values=master", "--output", "text",
            "--query", "Reservations[0].Instances[0].[ImageId,SecurityGroups[0].GroupId]",
        )  # fmt: skip
        self.zone = ZONES[0]
        self.now = self._run("first", self.zone)

    def _words(self, *command: str) -> list[str]:
        done = subprocess.run(
            command, env=self._env, cwd=self._made.folder, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            raise BenchmarkFailed(f"{' '.join(command)} ended {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.splitlines()[-1].split()

    def _run(self, *words: str) -> Carried:
        instance, volume = self._words("bash", str(ROOT / "benchmarks" / "drive_by_hand.sh"), *words)
        return Carried(instance=instance, volume=volume)

    def lose(self, kind: str) -> Loss:
        """Its machine is taken in this moment, and the script begins."""
        old, self.zone = self.now, other_zone(self.zone) if kind == "away" else self.zone
        self._made.ask("interrupt", instance_id=old.instance, notice=0 if kind == "death" else NOTICE)
        self.now = self._run(kind, self.zone, old.instance, old.volume)
        return measured(self._made, kind, (old, self.now), time.time())


class Driven:
    """A node of train.cfg with a drive, and its driver."""

    def __init__(self, made: Ground) -> None:
        self._made = made
        node = {"zones": ", ".join(ZONES), "drive": f"{DRIVE}:/data", "hour_worth": HOUR_WORTH}
        made.drive(NODE, cluster=CLUSTER, command=COMMAND, node=node, more=f"[drive {DRIVE}]\nsize = 1\n")
        self.now = self._carried(self._limit)

    @property
    def _limit(self) -> float:
        return 180 + 600 / self._made.speed

    def _carried(self, limit: float, after: float = 0.0) -> Carried:
        mounted = self._made.wait("the drive was mounted", lambda: self._mounted(after), limit=limit)
        self._made.wait("the command ran", lambda: self._runs(mounted["instance"]), limit=limit)
        return Carried(instance=mounted["instance"], volume=self._volume(mounted["instance"]))

    def _mounted(self, after: float) -> Entry | None:
        """The journal's line about the drive, after that time."""
        found = [one for one in self._made.journal(CLUSTER, NODE) if one["event"] == "drives-mounted"]
        return found[-1] if found and found[-1]["time"] > after else None

    def _runs(self, instance: str) -> bool:
        events = self._made.journal(CLUSTER, NODE)
        return any(one["event"] == "started" and one.get("instance") == instance for one in events)

    def _volume(self, instance: str) -> str:
        """What was attached to the machine last."""
        found = [one for one in self._made.entries() if one.get("what") == "attached" and one["instance"] == instance]
        return str(found[-1]["subject"])

    def lose(self, kind: str) -> Loss:
        """Its machine is taken in this moment, with all others of the zone for `away`."""
        old, began = self.now, time.time()
        if kind == "away":
            zone = zone_of(self._made, old.instance)
            self._made.ask("capacity", type=TYPE, zone=zone, count=0, market="spot", reclaim=True)
        else:
            self._made.ask("interrupt", instance_id=old.instance, notice=0 if kind == "death" else NOTICE)
        self.now = self._carried(self._limit, began)
        at = (self._mounted(began) or {})["time"]
        self._made.ask("capacity", type=TYPE, zone=None, count=None, market="spot", reclaim=False)
        return measured(self._made, kind, (old, self.now), at)


def other_zone(zone: str) -> str:
    return next(one for one in ZONES if one != zone)


def zone_of(made: Ground, instance_id: str) -> str:
    """The zone as the launch named it."""
    found = [one for one in made.entries() if one.get("what") == "pending" and one["subject"] == instance_id]
    return str(found[-1]["zone"])


def measured(made: Ground, kind: str, both: tuple[Carried, Carried], mounted: float) -> Loss:
    """`both`: before and after."""
    old, new = both
    entries = made.entries()
    loss = instant(entries, "shutting-down" if kind == "death" else "notice", old.instance)
    begin = instant(entries, "pending", new.instance)
    # sshd is up no later than the mount that went through it
    spans = [(begin, min(made.ssh_up.get(new.instance, mounted), mounted))]
    if kind == "death":
        spans.append((loss, instant(entries, "terminated", old.instance)))
    spans += volume_spans(entries, {old.volume, new.volume}, made.speed)
    return Loss(wall=mounted - loss, cloud=covered(spans, loss, mounted))


def volume_spans(entries: Sequence[Entry], volumes: set[str], speed: float) -> list[tuple[float, float]]:
    """When the cloud worked on these volumes; snapshots and new volumes by its own constants."""
    spans, began = [], {}
    for one in entries:
        what, volume, at = one.get("what"), one.get("volume") or one.get("subject"), one["at"]
        if one["kind"] != "event" or volume not in volumes:
            continue
        if what in ("attaching", "detaching"):
            began[volume] = at
        elif what in ("attached", "available"):
            spans.append((began.pop(volume, at - constant("create_volume") / speed), at))
        elif what == "snapshot":
            spans.append((at, at + (constant("snapshot") + constant("snapshot_per_gib")) / speed))
    return spans


def constant(name: str) -> float:
    """The local cloud's own constant, in EC2's seconds."""
    return float(getattr(Timing(), name))


def losses(rounds: int, speed: float, *, peer: bool) -> None:
    began = load()
    with ground(speed=speed, durations=DURATIONS) as made:
        made.starcluster("start", CLUSTER)
        contenders: dict[str, Driven | ByHand] = {"driver": Driven(made)}
        if peer:
            contenders["by hand"] = ByHand(made)
        found: dict[tuple[str, str], list[Loss]] = {}
        for kind in [*KINDS] * rounds:
            lose_all(made, kind, contenders, found)
    show(found, rounds, speed)
    print(f"\n{machine()}\nat the begin: {began}; at the end: {load()}")


def lose_all(
    made: Ground, kind: str, contenders: Mapping[str, Driven | ByHand], found: dict[tuple[str, str], list[Loss]]
) -> None:
    """All of them lose their machines now. What this machine does meanwhile hits them alike."""
    time.sleep(SETTLED + random.uniform(0, 10 / made.speed + 0.5))
    with ThreadPoolExecutor(len(contenders)) as pool:
        running: dict[str, Future[Loss]] = {name: pool.submit(one.lose, kind) for name, one in contenders.items()}
    for name, future in running.items():
        loss = future.result()
        found.setdefault((kind, name), []).append(loss)
        print(f"{KINDS[kind]}, {name}: {loss.wall:.1f} s, of it the cloud's {loss.cloud:.1f} s", flush=True)


def show(found: Mapping[tuple[str, str], list[Loss]], rounds: int, speed: float) -> None:
    rows = [["loss", "by", "wall", "cloud", "own share"]]
    for (kind, name), all_ in found.items():
        parts = ([one.wall for one in all_], [one.cloud for one in all_], [one.own for one in all_])
        rows.append([KINDS[kind], name, *(spread(part, digits=1) for part in parts)])
    table(f"Loss to drive mounted: median of {rounds} (min to max), cloud at speed {speed:g}", rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--speed", type=float, help="how many times faster than EC2 the cloud is [1; with --copies 20]")
    parser.add_argument("--no-peer", action="store_true", help="the driver alone")
    parser.add_argument("--copies", action="store_true", help="snapshots and restores instead of losses")
    options = parser.parse_args()
    if options.copies:
        copies(options.rounds, options.speed or 20)
    else:
        losses(options.rounds, options.speed or 1, peer=not options.no_peer)


if __name__ == "__main__":
    main()
