"""What the driver costs where it runs: peak memory, processor time, API calls, while it watches one spot node.

    python benchmarks/driver_memory.py [--seconds 120] [--speed 1]

The driver's pauses are those of real use (speed 1); only the cloud's own durations are turned down to seconds, so that
the node is there soon. "Getting there" is from the start of the driver to the command's start: launch, set-up, agent.
"Watching" is the time in which the command runs and nothing happens: that is what a job of days consists of.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from figures import machine, table
from ground import BenchmarkFailed, Entry, Ground, ground, load

CLUSTER, NODE = "memory", "mynode"
QUICK: Mapping[str, float] = {
    "boot_to_running": 1, "running_to_ssh": 1, "terminate": 1, "detach": 1, "attach": 1, "create_volume": 1,
}  # fmt: skip
ONE_LOOK = "DescribeSpotInstanceRequests"  # each look of the driver asks this once
MIB = 1024.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The driver's state at one moment: KiB resident now and at most, processor seconds so far."""

    at: float
    resident: int
    peak: int
    cpu: float
    threads: int


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120, help="how long the command runs")
    parser.add_argument("--speed", type=float, default=1, help="how many times faster than EC2 the driver's time goes")
    options = parser.parse_args()
    with ground(speed=options.speed, durations=QUICK) as made:
        made.cluster_with_volume(CLUSTER)
        began = load()
        driver = made.drive(NODE, cluster=CLUSTER, command=f"sleep {options.seconds:g}")
        samples, usage, status = follow(driver)
        if status:
            raise BenchmarkFailed(f"the driver ended {status}\n{(made.folder / 'driver.log').read_text()}")
        show(made, samples, usage, options.speed)
    print(f"\n{machine()}\nat the begin: {began}; at the end: {load()}")


def follow(driver: subprocess.Popen[bytes]) -> tuple[list[Sample], float, int]:
    """Look at it every half second until it ends; also its processor time, with its children's, and its status."""
    samples = []
    while True:
        sample = sample_of(driver.pid)
        if sample is not None:
            samples.append(sample)
        ended, status, usage = os.wait4(driver.pid, os.WNOHANG)
        if ended:
            driver.returncode = os.waitstatus_to_exitcode(status)
            return samples, usage.ru_utime + usage.ru_stime, driver.returncode
        time.sleep(0.5)


def sample_of(pid: int) -> Sample | None:
    """None when it has ended just now."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    facts = {name: words.split() for name, _, words in (line.partition(":") for line in status.splitlines())}
    if "VmHWM" not in facts:
        return None
    return Sample(
        at=time.time(),
        resident=int(facts["VmRSS"][0]),
        peak=int(facts["VmHWM"][0]),
        cpu=(int(fields[11]) + int(fields[12])) / TICKS,
        threads=int(facts["Threads"][0]),
    )


def show(made: Ground, samples: list[Sample], usage: float, speed: float) -> None:
    entries, journal = made.entries(), made.journal(CLUSTER, NODE)
    started = next(one["time"] for one in journal if one["event"] == "started")
    exited = next(one["time"] for one in journal if one["event"] in ("exited", "outcome"))
    parts = {"getting there": (samples[0].at, started), "watching": (started, exited)}
    rows = [
        ["", "minutes", "CPU seconds", "CPU seconds a minute", "looks", "API calls", "calls a look", "calls a minute"]
    ]
    for name, (first, last) in parts.items():
        rows.append([name, *part(entries, samples, first, last)])
    table(f"The driver of one node, in its own time (speed {speed:g})", rows)
    for name, (first, last) in parts.items():
        most = ", ".join(f"{action} {number}" for action, number in calls_in(entries, first, last).most_common(6))
        print(f"  API calls, {name}: {most}")
    watching = [one for one in samples if started <= one.at <= exited]
    rows = [["memory", "MiB"]]
    rows.append(["peak (VmHWM)", f"{samples[-1].peak / MIB:.1f}"])
    rows.append(["when the command starts (VmRSS)", f"{watching[0].resident / MIB:.1f}"])
    rows.append(["when it has ended (VmRSS)", f"{watching[-1].resident / MIB:.1f}"])
    table("Memory of the driver", rows)
    threads = max(one.threads for one in samples)
    print(f"  at most {threads} threads; CPU seconds in all, with child processes: {usage:.2f}")


def part(entries: list[Entry], samples: list[Sample], first: float, last: float) -> list[str]:
    """One row: what was used between two moments."""
    calls = calls_in(entries, first, last)
    minutes, looks = (last - first) / 60, calls[ONE_LOOK]
    cpu = cpu_at(samples, last) - cpu_at(samples, first)
    return [
        f"{minutes:.2f}",
        f"{cpu:.2f}",
        f"{cpu / minutes:.2f}",
        str(looks),
        str(calls.total()),
        f"{calls.total() / max(looks, 1):.1f}",
        f"{calls.total() / minutes:.1f}",
    ]


def calls_in(entries: list[Entry], first: float, last: float) -> Counter[str]:
    """How often each action was asked for between two moments."""
    return Counter(one["action"] for one in entries if one["kind"] == "call" and first <= one["at"] < last)


def cpu_at(samples: list[Sample], moment: float) -> float:
    """Processor seconds used until then."""
    return max((one.cpu for one in samples if one.at <= moment), default=0.0)


if __name__ == "__main__":
    main()
