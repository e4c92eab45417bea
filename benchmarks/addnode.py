"""`starcluster addnode` of one node and of twenty: what is done one after another, and what side by side.

    python benchmarks/addnode.py [--rounds 3] [--speed 20] [--nodes 1 20] [--trace]

The cloud takes as long as EC2 is seen to take, divided by --speed; the nodes of one call boot side by side. The goal is
that twenty take no more than three times as long as one. The nodes are hosts on this very machine: their set-up is work
for the same processors, so that with few of them many nodes show what the machine can carry. `--trace` tells for each
node when it was launched, when its SSH answered and when it was set up, and how long the calls of all nodes together
kept this program's own thread of each kind at work.
"""

from __future__ import annotations

import argparse
import re
from datetime import datetime
from pathlib import Path

from figures import machine, spread, table
from ground import Ground, ground, load
from start_scale import Taken, measured

GOAL = 3.0
_LINE = re.compile(r"^(\S+ \S+) .* - (Launched|Setting up|Mounting|(\S+) is set up)(.*)$")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="additions of each size")
    parser.add_argument("--speed", type=float, default=20, help="how many times faster than EC2 the cloud is")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 20])
    parser.add_argument("--trace", action="store_true", help="tell when each node of the last addition got how far")
    options = parser.parse_args()
    found: dict[int, list[Taken]] = {count: [] for count in options.nodes}
    with ground(speed=options.speed) as made:
        began = load()
        made.starcluster("start", "c")
        for _ in range(options.rounds):
            for count in options.nodes:
                found[count].append(add(made, count))
        if options.trace:
            trace(made.state / "logs" / "debug.log")
    show(found, options.speed, began)


def add(made: Ground, count: int) -> Taken:
    """Add nodes and take them away again; only the addition is measured."""
    words = ["addnode", "-n", str(count), "c"]
    return measured(made, words, undo=["removenode", "-c", "-n", str(count), "c"])


def trace(debug_log: Path) -> None:
    """The steps of the last addition, by the time stamps of the debug log."""
    lines = [found for line in debug_log.read_text().splitlines() if (found := _LINE.match(line))]
    last = max((index for index, one in enumerate(lines) if one[2] == "Launched" and index), default=0)
    while last and lines[last - 1][2] == "Launched":
        last -= 1
    begin: datetime | None = None
    for one in lines[last:]:
        at = datetime.fromisoformat(one[1].replace(",", "."))
        begin = begin or at
        print(f"  {(at - begin).total_seconds():7.2f} s  {one[2]}{one[4]}")


def show(found: dict[int, list[Taken]], speed: float, began: str) -> None:
    rows = [["nodes", "wall", "cloud", "own share", "API calls"]]
    for count, additions in found.items():
        rows.append(
            [
                str(count),
                spread([one.wall for one in additions], digits=1),
                spread([one.cloud for one in additions], digits=1),
                spread([one.own for one in additions], digits=1),
                spread([one.calls.total() for one in additions], unit="", digits=0),
            ]
        )
    rounds = len(next(iter(found.values())))
    table(f"starcluster addnode: median of {rounds} (min to max), cloud at speed {speed:g}", rows)
    least, most = min(found), max(found)
    ratio = middle(found[most]) / middle(found[least])
    print(f"  {most} nodes take {ratio:.1f} times as long as {least}; the goal is {GOAL:g} at most")
    busiest = ", ".join(f"{name} {number}" for name, number in found[most][-1].calls.most_common(6))
    print(f"  API calls with {most} nodes: {busiest}")
    print(f"\n{machine()}\nat the begin: {began}; at the end: {load()}")


def middle(additions: list[Taken]) -> float:
    return sorted(one.wall for one in additions)[len(additions) // 2]


if __name__ == "__main__":
    main()
