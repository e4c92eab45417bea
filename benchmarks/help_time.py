"""`starcluster --help` against `python -c "import click"`: what the lazy imports are worth.

python benchmarks/help_time.py [runs]
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from figures import in_turn, machine, seconds_of, spread, table

BIN = Path(sys.executable).parent


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    taken = in_turn(
        runs,
        help=lambda: seconds_of([str(BIN / "starcluster"), "--help"]),
        verb=lambda: seconds_of([str(BIN / "starcluster"), "start", "--help"]),
        click=lambda: seconds_of([sys.executable, "-c", "import click"]),
    )
    peer = taken["click"]
    ratios = {name: [a / b for a, b in zip(values, peer, strict=True)] for name, values in taken.items()}
    names = {"help": "starcluster --help", "verb": "starcluster start --help", "click": 'python -c "import click"'}
    rows = [["command", f"median of {runs} (min to max)", "times click"]]
    rows += [[names[key], spread(taken[key], digits=3), f"{statistics.median(ratios[key]):.2f}"] for key in names]
    table(f"Time to the first word ({machine()})", rows)


if __name__ == "__main__":
    main()
