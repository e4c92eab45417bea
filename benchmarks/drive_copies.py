"""How long `drive snapshot` and `drive restore` take, by the size and by what is unwritten."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from figures import machine, spread, table
from ground import Ground, ground, load

from starcluster.localcloud.api.timing import Timing

CLUSTER, NODE, DRIVE, ZONE = "copies", "desk", "data", "us-east-1a"
HELD = 64  # MB that every drive holds


@dataclass(frozen=True, kw_only=True)
class Case:
    """A drive of so many GB, with so many MB in the node's memory that are not on it yet."""

    size: int
    dirty: int


CASES = (
    Case(size=1, dirty=0),
    Case(size=10, dirty=0),
    Case(size=100, dirty=0),
    Case(size=10, dirty=100),
    Case(size=10, dirty=400),
)


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Seconds of the wall, with the cloud's part by its constants."""

    snapshot: float
    stored: float
    restored: float
    made: float


def copies(rounds: int, speed: float) -> None:
    began = load()
    with ground(speed=speed) as made:
        made.starcluster("start", CLUSTER)
        made.starcluster("addnode", "-a", NODE, CLUSTER)
        found = {case: one_case(made, case, rounds) for case in CASES}
    show(found, rounds, speed)
    print(f"\n{machine()}\nat the begin: {began}; at the end: {load()}")


def one_case(made: Ground, case: Case, rounds: int) -> list[Copy]:
    made.starcluster("drive", "create", DRIVE, str(case.size))
    made.starcluster("drive", "attach", DRIVE, CLUSTER, NODE, "/data")
    on_node(made, f"head -c {HELD}M /dev/urandom > /data/held; sync")
    found = [one_copy(made, case) for _ in range(rounds)]
    made.starcluster("drive", "detach", DRIVE)
    made.starcluster("drive", "remove", "-c", DRIVE)
    return found


def one_copy(made: Ground, case: Case) -> Copy:
    """Dirty it, keep it, go back to what was kept; all as a user types it."""
    timing = Timing(speed=made.speed)
    if case.dirty:
        on_node(made, f"head -c {case.dirty}M /dev/urandom > /data/dirty")
    snapshot = made.starcluster("drive", "snapshot", DRIVE)
    made.starcluster("drive", "detach", DRIVE)
    restored = made.starcluster("drive", "restore", "-c", DRIVE, newest(made), ZONE)
    restored += made.starcluster("drive", "attach", DRIVE, CLUSTER, NODE, "/data")
    stored, made_ = timing.snapshot_time(case.size), timing.wall(timing.create_volume + timing.attach)
    print(f"{case.size} GB, {case.dirty} MB: snapshot {snapshot:.1f} s, restore {restored:.1f} s", flush=True)
    return Copy(snapshot=snapshot, stored=stored, restored=restored, made=made_)


def on_node(made: Ground, command: str) -> None:
    made.starcluster("sshnode", CLUSTER, NODE, command)


def newest(made: Ground) -> str:
    words = ["starcluster", "drive", "show", DRIVE, "--json"]
    done = subprocess.run(words, env=made.env, cwd=made.folder, capture_output=True, text=True, check=True)
    return str(json.loads(done.stdout)["newest_snapshot"])


def show(found: dict[Case, list[Copy]], rounds: int, speed: float) -> None:
    heading = ["size", "not written yet", "snapshot", "cloud", "own share", "restore + attach", "cloud", "own share"]
    rows = [heading, *(row(case, all_) for case, all_ in found.items())]
    table(f"Snapshot and restore: median of {rounds} (min to max), cloud at speed {speed:g}", rows)


def row(case: Case, all_: Sequence[Copy]) -> list[str]:
    return [
        f"{case.size} GB",
        f"{case.dirty} MB",
        spread([one.snapshot for one in all_]),
        f"{all_[0].stored:.2f} s",
        spread([one.snapshot - one.stored for one in all_]),
        spread([one.restored for one in all_]),
        f"{all_[0].made:.2f} s",
        spread([one.restored - one.made for one in all_]),
    ]
