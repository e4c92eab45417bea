"""One driver and many names: how fast it is, what it asks EC2, what it keeps in memory.

    python benchmarks/many_names.py [--names 1,20] [--in-memory 1,20,200] [--speed 20] [--watch 60]

Two grounds. On the local cloud the names have real nodes: all of them are started, watched while nothing happens, and
then taken at once by EC2's notice; the own share is reckoned as recovery.py does. In memory the nodes and EC2 are the
unit tests' fakes, and time is stepped: what is counted there (calls a look and an hour, memory) does not depend on the
machine, and 200 names are no more than one process. The hour is one in which nothing happens: the driver looks each
ten seconds.
"""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from driver_memory import MIB, ONE_LOOK, Sample, calls_in, sample_of
from figures import machine, spread, table
from ground import ROOT, Entry, Ground, ground, load
from recovery import Recovery, ended, recovery

CLUSTER = "many"
COMMAND = "exec sleep 100000"
NOTICE = 120
HOUR = 3600.0
LOSSES = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--names", default="1,20", help="how many names on the local cloud, e.g. 1,20 ('' = none)")
    parser.add_argument("--in-memory", default="1,20,200", help="how many names in memory")
    parser.add_argument("--speed", type=float, default=20, help="how many times faster than EC2 the cloud is")
    parser.add_argument("--watch", type=float, default=60, help="wall seconds in which nothing happens")
    options = parser.parse_args()
    began = load()
    in_memory([int(one) for one in options.in_memory.split(",") if one])
    on_local_cloud([int(one) for one in options.names.split(",") if one], speed=options.speed, watch=options.watch)
    print(f"\n{machine()}\nat the begin: {began}; at the end: {load()}")


# --- on the local cloud -------------------------------------------------------------------------------------------


def on_local_cloud(counts: Sequence[int], *, speed: float, watch: float) -> None:
    rows = [
        ["names", "all run after", "calls a look", "calls a minute", "lost at once: wall", "own share", "RSS", "peak"]
    ]
    for count in counts:
        with ground(speed=speed) as made:
            rows.append(measured(made, [f"n{number}" for number in range(count)], watch))
    if counts:
        table(f"Local cloud at speed {speed:g}, in seconds of the wall", rows)


def measured(made: Ground, names: Sequence[str], watch: float) -> list[str]:
    made.cluster_with_volume(CLUSTER)
    began = time.time()
    driver = made.drive(*names, cluster=CLUSTER, command=COMMAND)
    limit = 120 + 400 / made.speed + 10 * len(names)
    old = made.wait("all commands ran", lambda: all_run(made, names, {}), limit=limit)
    up = time.time() - began
    time.sleep(5)
    quiet = time.time()
    time.sleep(watch)
    calls = calls_in(made.entries(), quiet, quiet + watch)
    rest = sample_of(driver.pid)
    for name in names:
        made.ask("interrupt", instance_id=old[name], notice=NOTICE)
    new = made.wait("all ran again", lambda: all_run(made, names, old), limit=limit)
    after = sample_of(driver.pid)
    made.wait("the end of all old machines", lambda: all(ended(made, old[name]) for name in names), limit=limit)
    found = [recovery(made, "notice", old[name], new[name], cluster=CLUSTER, name=name) for name in names]
    return row(len(names), up, calls, watch, found, rest, after)


def all_run(made: Ground, names: Sequence[str], before: dict[str, str]) -> dict[str, str]:
    """On which instance each name's command was started last, once all are other ones than before; else {}."""
    found = {name: last_start(made.journal(CLUSTER, name)) for name in names}
    return found if all(at and at != before.get(name) for name, at in found.items()) else {}


def last_start(journal: Sequence[Entry]) -> str:
    return next((str(one["instance"]) for one in reversed(journal) if one["event"] == "started"), "")


def row(
    count: int,
    up: float,
    calls: Counter[str],
    watch: float,
    found: Sequence[Recovery],
    rest: Sample | None,
    after: Sample | None,
) -> list[str]:
    total = sum(calls.values())
    return [
        str(count),
        f"{up:.1f} s",
        f"{total / max(calls[ONE_LOOK], 1):.1f}",
        f"{total / watch * 60:.1f}",
        spread([one.wall for one in found], digits=1),
        spread([one.own for one in found], digits=1),
        f"{rest.resident / MIB:.0f} MiB" if rest else "?",
        f"{after.peak / MIB:.0f} MiB" if after else "?",
    ]


# --- in memory ----------------------------------------------------------------------------------------------------


def in_memory(counts: Sequence[int]) -> None:
    sys.path.insert(0, str(ROOT))
    rows = [["names", "calls a quiet look", "calls a quiet hour", "ms of CPU a look", "held a name", "grown by"]]
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="starcluster-benchmark-") as folder:
            rows.append(counted(count, Path(folder)))
    if counts:
        table("In memory (fakes of EC2 and of the nodes, stepped time)", rows)
        print(f"  held: by the driver and the fakes; grown: over {LOSSES - 1} more losses of every node")


def counted(count: int, folder: Path) -> list[str]:
    from tests.unit.supervisor.stage import Scene
    from tests.unit.supervisor.world import wish

    logging.disable(logging.CRITICAL)
    gc.collect()
    tracemalloc.start()
    scene = Scene(folder)
    names = [f"n{number}" for number in range(count)]
    driver = scene.driver(*[wish(name) for name in names])
    scene.rounds(driver, 12)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    calls, looks, cpu = quiet_hour(scene, driver)
    first = lose_all(scene, driver, names)
    for _ in range(LOSSES - 1):
        last = lose_all(scene, driver, names)
    tracemalloc.stop()
    grown = last - first
    return [
        str(count),
        f"{calls / looks:.1f}",
        f"{calls:.0f}",
        f"{cpu / looks * 1000:.1f}",
        f"{held / count / 1024:.0f} KiB",
        f"{grown / 1024:.0f} KiB ({grown / (LOSSES - 1) / count / 1024:.1f} KiB a loss)",
    ]


def quiet_hour(scene: object, driver: object) -> tuple[int, int, float]:
    """(calls of EC2, looks, processor seconds) in an hour of the driver's time in which nothing happens."""
    scene.ec2.calls.clear()  # type: ignore[attr-defined]
    end, looks, began = scene.clock.time + HOUR, 0, time.process_time()  # type: ignore[attr-defined]
    while scene.clock.time < end:  # type: ignore[attr-defined]
        scene.clock.time += driver.round(driver.sites[0])  # type: ignore[attr-defined]
        looks += 1
    return len(scene.ec2.calls), looks, time.process_time() - began  # type: ignore[attr-defined]


def lose_all(scene: object, driver: object, names: Sequence[str]) -> int:
    """Take every node, wait until all run again; the bytes that are held then, without the dead ones of the fake."""
    for name in names:
        for one in scene.alive(name):  # type: ignore[attr-defined]
            scene.lose(one)  # type: ignore[attr-defined]
    scene.rounds(driver, 12)  # type: ignore[attr-defined]
    instances = scene.ec2.instances.all  # type: ignore[attr-defined]
    for one in [one for one in instances.values() if one.state.is_gone]:
        del instances[one.id]  # an hour later EC2 shows them no more
        scene.ec2.spot.all.pop(one.spot_request_id, None)  # type: ignore[attr-defined]
        scene.machines.agents.pop(one.id, None)  # type: ignore[attr-defined]
        scene.ec2.instances.requests.pop(one.client_token, None)  # type: ignore[attr-defined]
    scene.ec2.volumes.all.clear()  # type: ignore[attr-defined]
    scene.ec2.calls.clear()  # type: ignore[attr-defined]
    scene.rounds(driver, 2)  # type: ignore[attr-defined]
    scene.ec2.calls.clear()  # type: ignore[attr-defined]
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


if __name__ == "__main__":
    main()
