"""From the loss of a spot node to its command running again, by EC2's notice and by sudden death.

    python benchmarks/recovery.py [--rounds 5] [--speed 20] [--kind notice|death|both]

The local cloud takes as long as EC2 is seen to take (boot 40 s, ssh 20 s more, terminate and detach 55 s), divided by
--speed. Measured is from the cloud's own stamp of the loss to the agent's stamp of the new start. The own share is
that time less what was spent in waiting for the cloud, by the cloud's stamps:

    shutting-down -> terminated      after a sudden death: before it nobody may launch another one
    pending -> running -> ssh up     the new instance

After a notice the command still runs until "the command ends": what is before it is in the figures, but costs nothing.

All is in seconds of the wall. The driver's own pauses are divided by --speed too: what they would add on EC2 shows
with --speed 1 (a round then takes some minutes). The command ends at once when it is asked to: how long a training
needs for its checkpoint is its own affair.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from figures import machine, spread, table
from ground import BenchmarkFailed, Entry, Ground, covered, ground, instant, load

CLUSTER, NODE = "recovery", "mynode"
COMMAND = "exec sleep 100000"
NOTICE = 120
SETTLED = 1.5
KINDS = {"notice": "EC2's notice", "death": "sudden death"}
LET_IN = "the driver is let in"
# (event in the journal, what has been done when it is written), in the order of a recovery
STEPS = (
    ("notice", "the agent hears of it"),
    ("command-ended", "the command ends"),
    ("synced", "the disks are flushed"),
    ("drained", "the node is drained"),
    ("drained-recorded", "the driver has it on record"),
    ("request", "the driver asks for another"),
    ("ssh-up", LET_IN),
    ("mounted", "/home is mounted"),
    ("set-up", "the node is set up"),
    ("agent", "its agent runs"),
    ("started", "the command runs"),
)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Something that came to be; `cloud`: what the step before it was spent in waiting for the cloud."""

    at: float
    what: str
    cloud: bool = False


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """One round."""

    moments: tuple[Moment, ...]
    calls: tuple[Entry, ...]

    @property
    def wall(self) -> float:
        return self.moments[-1].at - self.moments[0].at

    @property
    def cloud(self) -> float:
        return sum(seconds for moment, seconds in self.steps if moment.cloud)

    @property
    def own(self) -> float:
        return self.wall - self.cloud

    @property
    def steps(self) -> list[tuple[Moment, float]]:
        """Each moment but the first, with the time since the one before."""
        return [(now, now.at - last.at) for last, now in zip(self.moments, self.moments[1:], strict=False)]

    @property
    def in_calls(self) -> float:
        """How much of the own time at least one API call was being answered."""
        spans = [(one["at"], one["ended"]) for one in self.calls]
        steps = zip(self.moments, self.moments[1:], strict=False)
        return sum(covered(spans, last.at, now.at) for last, now in steps if not now.cloud)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="recoveries of each kind")
    parser.add_argument("--speed", type=float, default=20, help="how many times faster than EC2 the cloud is")
    parser.add_argument("--kind", choices=[*KINDS, "both"], default="both")
    options = parser.parse_args()
    kinds = list(KINDS) if options.kind == "both" else [options.kind]
    with ground(speed=options.speed) as made:
        made.cluster_with_volume(CLUSTER)
        made.drive(NODE, cluster=CLUSTER, command=COMMAND)
        began = load()
        found: dict[str, list[Recovery]] = {kind: [] for kind in kinds}
        for _ in range(options.rounds):
            for kind in kinds:
                found[kind].append(lose(made, kind))
    show(found, options.speed, began)


def lose(made: Ground, kind: str) -> Recovery:
    """Wait until the command runs, take its machine, wait until the command runs on another one."""
    limit = 120 + 400 / made.speed
    old = made.wait("the command ran", lambda: running_on(made), limit=limit)
    # A loss at any moment of the driver's rounds: they are not to fall into step with this program.
    time.sleep(SETTLED + random.uniform(0, 10 / made.speed + 0.5))
    made.ask("interrupt", instance_id=old, notice=NOTICE if kind == "notice" else 0)
    new = made.wait("it ran on another node", lambda: running_on(made, other_than=old), limit=limit)
    made.wait("the notice's end", lambda: ended(made, old), limit=limit)
    return recovery(made, kind, old, new)


def running_on(made: Ground, other_than: str = "") -> str:
    """The instance on which the command was started last, once the driver knows it."""
    started = [one["instance"] for one in made.journal(CLUSTER, NODE) if one["event"] == "started"]
    return started[-1] if started and started[-1] != other_than else ""


def ended(made: Ground, instance_id: str) -> bool:
    """The old node is gone altogether; the next round is not to overlap with its end."""
    return any(one.get("what") == "terminated" and one["subject"] == instance_id for one in made.entries())


def recovery(made: Ground, kind: str, old: str, new: str, *, cluster: str = CLUSTER, name: str = NODE) -> Recovery:
    entries = made.entries()
    loss = instant(entries, "notice" if kind == "notice" else "shutting-down", old)
    moments = [Moment(at=loss, what=KINDS[kind])]
    pending = instant(entries, "pending", new)
    gone = instant(entries, "terminated", old)
    if gone < pending:
        moments.append(Moment(at=gone, what="the old instance is terminated", cloud=True))
    moments += driver_moments(made.journal(cluster, name), loss, (old, new))
    moments.append(Moment(at=pending, what="the new instance is pending"))
    moments.append(Moment(at=instant(entries, "running", new), what="it is running", cloud=True))
    let_in = min(one.at for one in moments if one.what == LET_IN)
    # Both see it within a moment; what has let the driver in was up.
    moments.append(Moment(at=min(made.ssh_up[new], let_in), what="its SSH server is up", cloud=True))
    moments.sort(key=lambda one: (one.at, not one.cloud))
    last = moments[-1].at
    calls = tuple(one for one in entries if one["kind"] == "call" and one["ended"] > loss and one["at"] < last)
    return Recovery(moments=tuple(moments), calls=calls)


def driver_moments(journal: Sequence[Entry], loss: float, instances: Sequence[str]) -> list[Moment]:
    """What driver and agents have written down of this recovery."""
    found = []
    for event, what in STEPS:
        at = [
            one["time"]
            for one in journal
            if one["event"] == event and one["time"] >= loss - 0.001 and one.get("instance", instances[0]) in instances
        ]
        if at:
            found.append(Moment(at=at[0], what=what))
    if not found or found[-1].what != STEPS[-1][1]:
        raise BenchmarkFailed(f"the journal tells of no new start after {loss}")
    return found


def show(found: dict[str, list[Recovery]], speed: float, began: str) -> None:
    rows = [["loss by", "wall", "cloud", "own share", "of it in API calls", "API calls"]]
    for kind, rounds in found.items():
        rows.append(
            [
                KINDS[kind],
                spread([one.wall for one in rounds]),
                spread([one.cloud for one in rounds]),
                spread([one.own for one in rounds]),
                spread([one.in_calls for one in rounds]),
                spread([len(one.calls) for one in rounds], unit="", digits=0),
            ]
        )
    count = len(next(iter(found.values())))
    table(f"Loss to command running: median of {count} (min to max), cloud at speed {speed:g}", rows)
    for kind, rounds in found.items():
        show_steps(KINDS[kind], rounds)
    print(f"\n{machine()}\nat the begin: {began}; at the end: {load()}")


def show_steps(title: str, rounds: Sequence[Recovery]) -> None:
    """Where the time goes, step by step, and which calls were made."""
    names = list(dict.fromkeys(moment.what for one in rounds for moment, _ in one.steps))
    rows = [["until", "whose", "seconds"]]
    for name in names:
        same = [(moment, seconds) for one in rounds for moment, seconds in one.steps if moment.what == name]
        whose = "cloud" if same[0][0].cloud else "own"
        rows.append([name, whose, spread([seconds for _, seconds in same])])
    table(f"After {title}, step by step", rows)
    calls = Counter(entry["action"] for one in rounds for entry in one.calls)
    busiest = {
        name: statistics.median([e["seconds"] for o in rounds for e in o.calls if e["action"] == name])
        for name in calls
    }
    words = [
        f"{name} {number / len(rounds):.1f} x {busiest[name] * 1000:.0f} ms" for name, number in calls.most_common(8)
    ]
    print(f"  API calls a round: {', '.join(words)}")


if __name__ == "__main__":
    main()
