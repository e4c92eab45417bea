"""Is the notice worth anything? The same training, taken away in the same way, under three regimes.

    python benchmarks/notice.py [--rounds 3] [--speed 20] [--every 10]

    notice used      the driver; EC2 gives its two minutes
    no notice        the driver; sudden death
    by hand          a shell loop (by_hand.sh) that looks every 10 minutes, as this project's ancestor did; EC2 gives
                     its two minutes, nobody listens

The training is examples/digits with a checkpoint every --every seconds of the wall. Measured are the work done twice
(from its log of steps, as a share of that interval too) and the time from EC2's word of the loss to the command's next
start (from a line that the command itself writes). After a notice the command works on until it is asked to stop, so
the time without work is shorter than that.

EC2-like delays and the loop's 10 minutes are divided by --speed; "on EC2" multiplies them back and adds our own
share as it is. What other tools' constants would make of the same delays is reckoned below the table, not measured.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

from figures import machine, spread, table
from ground import LIKE_EC2, ROOT, BenchmarkFailed, Ground, ground, instant, load

CLUSTER, NODE = "notice", "mynode"
PACE = 0.05
NOTICE = 120.0
POLL = 600.0  # EC2's seconds between two looks of the shell loop
OTHERS_POLL = 15.0
SCRIPT = f"""#!/bin/sh
date +%s.%N >> /home/starts
exec python3 /home/digits/train.py --steps 10000000 --hidden 4 --pace {PACE} --every $1 --out /home/out
"""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One taken machine: seconds until the next start, steps done again."""

    seconds: float
    again: int


@dataclass(frozen=True, kw_only=True)
class Regime:
    what: str
    notice: float
    by_hand: bool = False


REGIMES = (
    Regime(what="notice used", notice=NOTICE),
    Regime(what="no notice", notice=0),
    Regime(what="by hand", notice=NOTICE, by_hand=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="losses under each regime")
    parser.add_argument("--speed", type=float, default=20, help="how many times faster than EC2 the cloud is")
    parser.add_argument("--every", type=float, default=10, help="wall seconds between two checkpoints")
    options = parser.parse_args()
    began = load()
    found = {}
    for regime in REGIMES:  # each on a cloud of its own: what one leaves behind is not the next one's burden
        with ground(speed=options.speed) as made:
            prepare(made)
            found[regime] = losses(made, regime, options.rounds, options.every)
    show(found, options.speed, options.every)
    print(f"\n{machine()}\nat the begin: {began}; at the end: {load()}")


def prepare(made: Ground) -> None:
    made.cluster_with_volume(CLUSTER)
    made.starcluster("put", CLUSTER, str(ROOT / "examples" / "digits"), "/home")
    (made.folder / "go.sh").write_text(SCRIPT)
    made.starcluster("put", CLUSTER, str(made.folder / "go.sh"), "/home")


def losses(made: Ground, regime: Regime, rounds: int, every: float) -> list[Loss]:
    command = f"sh /home/go.sh {every:g}"
    with loop(made, command) if regime.by_hand else driver(made, command):
        return [lose(made, regime, every) for _ in range(rounds)]


@contextmanager
def driver(made: Ground, command: str) -> Iterator[None]:
    made.drive(NODE, cluster=CLUSTER, command=command)
    yield  # the ground ends it


@contextmanager
def loop(made: Ground, command: str) -> Iterator[None]:
    words = ["setpriv", "--pdeathsig", "KILL", "bash", str(ROOT / "benchmarks" / "by_hand.sh")]
    with (made.folder / "by_hand.log").open("ab") as output:
        process = subprocess.Popen(
            [*words, CLUSTER, NODE, f"{POLL / made.speed:g}", command],
            env=made.env, cwd=made.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def lose(made: Ground, regime: Regime, every: float) -> Loss:
    """Wait until it has worked for some checkpoints, take its machine at any moment, wait for its next start."""
    limit = 120 + 2000 / made.speed
    count = until(lambda: len(starts(made)), "the command's start", limit)
    # any moment between two checkpoints, and, by hand, between two looks of the loop
    time.sleep(2 * every + random.uniform(0, POLL / made.speed if regime.by_hand else every))
    old = alive(made)
    before = done_again(made)
    made.ask("interrupt", instance_id=old, notice=regime.notice)
    until(lambda: len(starts(made)) > count, "the command's next start", limit)
    time.sleep(3)  # the first step of the new start
    lost = instant(made.entries(), "notice" if regime.notice else "shutting-down", old)
    return Loss(seconds=starts(made)[count] - lost, again=sum(done_again(made)) - sum(before))


def until(look: Callable[[], int], what: str, limit: float) -> int:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    raise BenchmarkFailed(f"not within {limit:g} s: {what}")


def on_master(made: Ground, file: str) -> list[str]:
    words = ["starcluster", "sshmaster", CLUSTER, f"cat {file} 2>/dev/null || true"]
    done = subprocess.run(words, env=made.env, cwd=made.folder, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def starts(made: Ground) -> list[float]:
    return [float(line) for line in on_master(made, "/home/starts")]


def done_again(made: Ground) -> list[int]:
    """Steps done twice at each new start, by the program's own log of steps."""
    steps = [int(line.split()[1]) for line in on_master(made, "/home/out/steps.log")]
    return [last + 1 - now for last, now in pairwise(steps) if now <= last]


def alive(made: Ground) -> str:
    nodes = made.ask("status")["nodes"]
    mine = [one["instance_id"] for one in nodes if one["tags"].get("alias") == NODE and one["state"] == "running"]
    if len(mine) != 1:
        raise BenchmarkFailed(f"{len(mine)} running instances of {NODE}")
    return str(mine[0])


def cloud_part(regime: Regime, speed: float) -> float:
    """What EC2 itself takes, in wall seconds: the new instance, and before it the old one's end if nobody hears."""
    boot = LIKE_EC2["boot_to_running"] + LIKE_EC2["running_to_ssh"]
    return (boot + (0 if regime.notice and not regime.by_hand else LIKE_EC2["terminate"])) / speed


def on_ec2(regime: Regime, seconds: float, speed: float) -> float:
    """The measured time with the cloud's part (by hand: all the waiting) multiplied back."""
    if regime.by_hand:
        return seconds * speed
    part = cloud_part(regime, speed)
    return part * speed + max(0.0, seconds - part)


def show(found: dict[Regime, list[Loss]], speed: float, every: float) -> None:
    rows = [["regime", "loss to next start", "the same on EC2", "work done twice", "of an interval"]]
    for regime, losses_ in found.items():
        again = [one.again * PACE for one in losses_]
        rows.append(
            [
                regime.what,
                spread([one.seconds for one in losses_]),
                f"{statistics.median(on_ec2(regime, one.seconds, speed) for one in losses_):.0f} s",
                spread(again),
                f"{statistics.median(again) / every:.0%}",
            ]
        )
    count = len(next(iter(found.values())))
    table(f"{count} losses each, median (min to max), cloud at speed {speed:g}, a checkpoint every {every:g} s", rows)
    reckon(found, speed)


def reckon(found: dict[Regime, list[Loss]], speed: float) -> None:
    """Other tools' constants on the same delays: a look every 15 s, the old node's end, a whole new one."""
    sudden = next(regime for regime in found if not regime.notice)
    own = statistics.median(one.seconds for one in found[sudden]) - cloud_part(sudden, speed)
    parts: Sequence[tuple[str, float]] = (
        ("half a poll of 15 s", OTHERS_POLL / 2),
        ("the notice, not used", NOTICE),
        ("the old instance's end", LIKE_EC2["terminate"]),
        ("a new one, up to ssh", LIKE_EC2["boot_to_running"] + LIKE_EC2["running_to_ssh"]),
        ("its set-up, as quick as ours", max(0.0, own)),
    )
    print("\nReckoned, not measured: who looks every 15 s and does not hear the notice")
    for what, seconds in parts:
        print(f"  {seconds:6.1f} s  {what}")
    print(f"  {sum(seconds for _, seconds in parts):6.1f} s  from EC2's word to the next start")
    print("  Work since the last checkpoint is done again, unless the machine's shutdown lets the program save it.")


if __name__ == "__main__":
    main()
