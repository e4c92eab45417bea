"""What the benchmarks share: run things in turn, and print medians as a table."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence


def seconds_of(words: Sequence[str], env: Mapping[str, str] | None = None) -> float:
    """Wall time of one run of a command that must succeed; its output is thrown away."""
    began = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    return time.perf_counter() - began


def in_turn(runs: int, **things: Callable[[], float]) -> dict[str, list[float]]:
    """A B A B ...: what the machine does meanwhile hits all of them alike. One round before is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in things}
    for number in range(runs + 1):
        for name, thing in things.items():
            value = thing()
            if number:
                taken[name].append(value)
    return taken


def table(title: str, rows: Sequence[Sequence[str]]) -> None:
    """Print rows (the first one is the heading) in aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    print(f"\n{title}")
    for number, row in enumerate(rows):
        print("  " + "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))


def spread(values: Sequence[float], *, unit: str = "s", digits: int = 2) -> str:
    """median unit (min to max)"""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f}{unit and ' ' + unit} ({low:.{digits}f} to {high:.{digits}f})"


def machine() -> str:
    with open("/proc/cpuinfo") as lines:
        models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} x {models[0] if models else 'unknown processor'}, Linux {os.uname().release}"
