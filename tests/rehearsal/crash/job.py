"""The main job: a name with a disk, whose command EC2 interrupts once; and what must be when it is over."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from starcluster.localcloud.scenario.play import Play, RealWorld
from starcluster.localcloud.scenario.script import read
from tests.rehearsal.crash.points import Call, Watched
from tests.rehearsal.train.conftest import TAG, Driver, until

PLUGIN = """
[plugin jobdisk]
SETUP_CLASS = jobdisk.JobDisk
VOLUME = data
MOUNT_PATH = /data
HOLDER = {holder}
"""
# A cluster keeps its plugins' settings; this one's node is another one from job to job, so it is read from a file.
PLUGIN_CODE = """
from pathlib import Path
from starcluster.plugins.mountvolume import MountVolume

class JobDisk(MountVolume):
    def __init__(self, volume, mount_path, holder):
        super().__init__(volume, mount_path, node=Path(holder).read_text())
"""
# It ends by itself only when it has been asked to save its work: so two attempts, on two instances.
COMMAND = (
    "echo $STARCLUSTER_ATTEMPT >> /home/{run}.starts; test -e /data/{run} && exit 0; "
    "trap 'echo saved > /data/{run}; exit 143' TERM; while :; do sleep 0.05; done"
)
# three seconds of ours: the command saves its work in them also where the machine is busy
NOTICE = "when {node} is working: interrupt {node} notice=600"


AGENT = "starcluster-agent call"
ORDER = re.compile(r'"op": "(\w+)"')


@dataclass(frozen=True, kw_only=True)
class JobCall(Call):
    """A call to EC2, or an order to the nodes' agents."""

    agent: bool = False

    def __str__(self) -> str:
        return f"{'agent ' if self.agent else ''}{super().__str__()}"

    @property
    def hold(self) -> dict[str, Any]:
        order = {"command": AGENT, "given": f'"op": "{self.action}"', "nth": self.nth}
        return order if self.agent else super().hold


class Arena(Watched):
    """A scene in which one name after the other does the main job; all of them use one disk."""

    count = 0
    name = "job0"

    def prepare(self) -> None:
        """The disk and the cluster."""
        self.starcluster("createvolume", "--name", "data", "1", "us-east-1a")
        self._holder = self.folder / "holder"
        self._holder.write_text(self.name)
        plugins = self.config.parent / "plugins"
        plugins.mkdir(exist_ok=True)
        (plugins / "jobdisk.py").write_text(PLUGIN_CODE)
        text = self.config.read_text() + PLUGIN.format(holder=self._holder)
        before, _, after = text.partition("\n#PLUGINS = ")
        self.config.write_text(f"{before}\nPLUGINS = jobdisk\n{after.partition(chr(10))[2]}")
        super().prepare()

    def fresh(self) -> str:
        """A new name for the job, and the world as it is without it."""
        self.control("clear")
        self.count += 1
        self.name = f"job{self.count}"
        self._holder.write_text(self.name)
        self.write(**{self.name: COMMAND.format(run=self.name)})
        self.before = self.world()
        return self.name

    def clear_up(self) -> None:
        """After a point that went wrong: its machines and drivers are not to be in the way of the next one."""
        for process in self._started:
            process.kill()
            process.wait()
        self.control("clear")
        if ids := [one["InstanceId"] for one in self.instances(self.name)]:
            self.ec2().terminate_instances(InstanceIds=ids)
            until(lambda: not self.alive(self.name), "the end of what went wrong", limit=30)

    def recorded(self) -> list[JobCall]:
        """Do the main job without any trouble; every call of its driver to EC2 and to agents, in order."""
        name, start = self.fresh(), self.newest()
        self.control("watch", command=AGENT)
        with interrupted(self):
            self.drive(name).ends(0)
        entries = self.control("log", after=start)["entries"]
        self.check()
        return list(_calls(entries))

    def check(self) -> None:
        """One instance at a time and one command at a time have done it; nothing else is left of it."""
        mine = [one["InstanceId"] for one in self.instances(self.name)]
        assert len(mine) == 2, f"{len(mine)} instances were launched: {mine}"
        starts = self.on_master(f"cat /home/{self.name}.starts").split()
        assert starts == ["1", "2"], f"the command was started as attempts {starts}"
        expected = {**self.before, "templates": self.before["templates"] | {f"sc-{TAG}-{self.name}"}}
        until(lambda: self.world() == expected, f"no orphans: {self.world()} is not {expected}", limit=15)


def _calls(entries: list[dict[str, Any]]) -> Iterator[JobCall]:
    counts: Counter[tuple[str, bool]] = Counter()
    for entry in entries:
        agent = entry["kind"] == "command"
        found = ORDER.search(entry["given"]) if agent else None
        action = found[1] if found else entry["action"] if entry["kind"] == "call" else ""
        if action:
            counts[action, agent] += 1
            yield JobCall(action=action, nth=counts[action, agent], at=entry["at"], agent=agent)


class interrupted:
    """EC2 takes the job's first instance, after a notice, when its command works."""

    def __init__(self, arena: Arena) -> None:
        self.play = Play(read(NOTICE.format(node=f"{TAG}/{arena.name}")), RealWorld(arena.cloud))
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.errors: list[str] = []

    def _run(self) -> None:
        for told in self.play.run():
            self.errors += [told.error] if told.error else []

    def __enter__(self) -> interrupted:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.play.steps_left.clear()
        self.thread.join(10)
        assert not self.errors, self.errors


def ended_or(condition: Callable[[], bool], driver: Driver) -> bool:
    """Wait for it; False when the driver has ended before."""
    return bool(until(lambda: condition() or driver.process.poll() is not None, "the point")) and (
        driver.process.poll() is None
    )
