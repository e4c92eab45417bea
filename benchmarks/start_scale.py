"""`starcluster start` with 1, 5 and 20 workers on the local cloud: what each worker more costs.

    python benchmarks/start_scale.py [--rounds 3] [--speed 20] [--workers 1 5 20]

The cloud takes as long as EC2 is seen to take, divided by --speed. Its share is the time in which at least one node
was on its way from pending to a listening SSH server; the rest is starcluster's own: start of Python, launch, set-up
of all nodes in parallel. The nodes are hosts on this very machine: their set-up is work for the same processors, so
that 20 workers show what the local cloud can carry, not what EC2 would need.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from figures import machine, spread, table
from ground import Entry, Ground, covered, ground, load


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What one verb took: wall seconds, those of them that the cloud took, and the API calls that were made."""

    wall: float
    cloud: float
    calls: Counter[str]

    @property
    def own(self) -> float:
        return self.wall - self.cloud


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="starts of each size")
    parser.add_argument("--speed", type=float, default=20, help="how many times faster than EC2 the cloud is")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 5, 20])
    options = parser.parse_args()
    found: dict[int, list[Taken]] = {workers: [] for workers in options.workers}
    with ground(speed=options.speed) as made:
        began = load()
        for number in range(options.rounds):
            for workers in options.workers:
                found[workers].append(start(made, f"c{workers}x{number}", workers))
    show(found, options.speed, began)


def start(made: Ground, tag: str, workers: int) -> Taken:
    """Start a cluster and end it again; only the start is measured."""
    return measured(made, ["start", "-s", str(workers + 1), tag], undo=["terminate", "-c", tag])


def measured(made: Ground, words: Sequence[str], *, undo: Sequence[str]) -> Taken:
    """What a verb took that launches nodes; what it did is undone without being measured."""
    before = len(made.entries())
    wall = made.starcluster(*words)
    since = made.entries()[before:]
    made.starcluster(*undo)
    spans = boots(made, since)
    return Taken(
        wall=wall,
        cloud=covered(spans, 0, max(last for _, last in spans)),
        calls=Counter(one["action"] for one in since if one["kind"] == "call"),
    )


def boots(made: Ground, entries: list[Entry]) -> list[tuple[float, float]]:
    """From the launch to the listening SSH server, for every node."""
    pending = {one["subject"]: one["at"] for one in entries if one.get("what") == "pending"}
    return [(at, made.ssh_up[instance_id]) for instance_id, at in pending.items()]


def show(found: dict[int, list[Taken]], speed: float, began: str) -> None:
    rows = [["workers", "wall", "cloud", "own share", "own share a node", "API calls"]]
    for workers, starts in found.items():
        own = [one.own for one in starts]
        rows.append(
            [
                str(workers),
                spread([one.wall for one in starts], digits=1),
                spread([one.cloud for one in starts], digits=1),
                spread(own, digits=1),
                spread([each / (workers + 1) for each in own]),
                spread([one.calls.total() for one in starts], unit="", digits=0),
            ]
        )
    count = len(next(iter(found.values())))
    table(f"starcluster start: median of {count} (min to max), cloud at speed {speed:g}", rows)
    for workers, starts in found.items():
        busiest = ", ".join(f"{name} {number}" for name, number in starts[-1].calls.most_common(6))
        print(f"  API calls with {workers} workers: {busiest}")
    print(f"\n{machine()}\nat the begin: {began}; at the end: {load()}")


if __name__ == "__main__":
    main()
