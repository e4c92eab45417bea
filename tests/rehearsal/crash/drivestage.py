"""A drive between two nodes in two zones, and kills of its verbs."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.rehearsal.crash.points import Call, Point, Watched
from tests.rehearsal.crash.warm import LIMIT, Running, Warm
from tests.rehearsal.train.conftest import TAG, until

NODES = {"us-east-1a": "master", "us-east-1b": "far"}
OTHER = {"us-east-1a": "us-east-1b", "us-east-1b": "us-east-1a"}
SCRIPT = "exec bash"  # what every command on a node begins with that does something
# so long that whoever comes after a kill sees it under way: 1.5 seconds at a speed of 200
SLOW = {"attach": 300, "detach": 300, "create_volume": 300, "snapshot": 300}
BLOB = "head -c 300000 /dev/urandom > blob; sha256sum blob > sum"
Words = tuple[str, ...]
Signature = Counter[str]


@dataclass(frozen=True, kw_only=True)
class DriveCall(Call):
    """A call to EC2, or the nth command on a node."""

    script: bool = False

    @property
    def hold(self) -> dict[str, Any]:
        return {"command": SCRIPT, "nth": self.nth} if self.script else super().hold

    @property
    def changes(self) -> bool:
        return not self.script and super().changes


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a verb does that nobody kills, and what has changed in the whole account by it."""

    calls: tuple[DriveCall, ...]
    leaves: Signature
    seconds: float

    @property
    def points(self) -> list[Point]:
        """Before and after each call; what follows upon a read is before the next one, and stands here once."""
        return [
            Point(call=call, when=when)
            for call in self.calls
            for when in ("before", "after")
            if when == "before" or call.changes or call.script or call is self.calls[-1]
        ]


@dataclass(frozen=True, kw_only=True)
class Verb:
    """`ready` brings about what the verb begins with, and says its words; `check` looks whether it has done its work.

    `done`: with which sentence it may refuse to do it once more, when all of it had been done. `extra`: what more than
    an undisturbed run a repeated one may leave. `settle`: done before what is left is counted.
    """

    ready: Callable[[Arena], Words]
    check: Callable[[Arena], None]
    done: str = ""
    extra: str = ""
    settle: Callable[[Arena], None] = lambda _: None


class Arena(Watched):
    """A node in each of two zones, and one drive at a time: `zone` is where it is, `lines` are what is on it."""

    name = ""
    count = 0
    zone = "us-east-1a"
    attached = False
    lines = 0
    left = ""  # the volume that it has gone back from

    def prepare(self) -> None:
        super().prepare()
        self.starcluster("addnode", "-a", "far", "-z", "us-east-1b", "-b", "1", TAG)
        self.warm = Warm(self.env, self.folder)
        self.usual = {key: self.control("timing")["timing"][key] for key in SLOW}

    def close(self) -> None:
        if hasattr(self, "warm"):
            self.warm.close()
        super().close()

    @cached_property
    def client(self) -> Any:
        return super().ec2()

    def ec2(self) -> Any:
        return self.client

    # --- commands

    def begin(self, *words: str) -> Running:
        return self.warm.start(*words)

    def do(self, *words: str, expect: int | None = 0, limit: float = LIMIT) -> str:
        running = self.begin(*words)
        status = running.ends(limit)
        assert expect in (None, status), f"{' '.join(words)} ended {status}, not {expect}\n{running.text}"
        return running.text

    def drive(self, verb: str, *words: str, **more: Any) -> str:
        return self.do("drive", verb, self.name, *words, **more)

    def on(self, zone: str, command: str) -> str:
        return self.do("sshnode", TAG, NODES[zone], command)

    def shown(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.drive("show", "--json"))
        return found

    # --- the drive

    @property
    def path(self) -> str:
        return f"/{self.name}"

    def rename(self) -> str:
        """A name that no drive ever had."""
        self.count += 1
        self.name, self.zone, self.attached, self.lines = f"d{self.count}", "us-east-1a", False, 0
        return self.name

    def to(self, zone: str) -> Words:
        return ("attach", self.name, TAG, NODES[zone], self.path)

    def attach(self, zone: str) -> None:
        self.do("drive", *self.to(zone))
        self.zone, self.attached = zone, True

    def detach(self) -> None:
        if self.attached:
            self.drive("detach")
        self.attached = False

    def write(self) -> None:
        """One line more, and at first something with a checksum."""
        first = "" if self.lines else f"{BLOB}; "
        self.lines += 1
        self.on(self.zone, f"cd {self.path} && {first}echo {self.lines} >> log; sync")

    def read(self) -> None:
        """All that was written is there, where it is mounted; and more can be written."""
        test = f"findmnt -n {self.path} >/dev/null && cd {self.path} && sha256sum --status -c sum && cat log"
        found = self.on(self.zone, f"{test} && echo {self.lines + 1} >> log; sync").split()
        assert found == [str(one) for one in range(1, self.lines + 1)], f"the drive has the lines {found}"
        self.lines += 1

    def written(self) -> None:
        """A drive with content, mounted somewhere; the one that there is, if it has not been spoilt."""
        if not self.lines:
            self.drive_anew()
        if not self.attached:
            self.attach(self.zone)
            self.write()

    def leave(self) -> None:
        """Done with the drive that there is."""
        if self.attached:
            self.detach()
            self.drive("remove", "-c")

    def drive_anew(self) -> None:
        self.leave()
        self.do("drive", "create", self.rename(), "1", "--keep", "1 last")
        self.attach("us-east-1a")
        self.write()

    def at_rest(self) -> None:
        """Nobody has it, its last use is in no snapshot, and nothing is left of what it was before."""
        self.written()
        self.detach()
        self.drive("prune")

    def tidy(self) -> None:
        self.drive("prune")
        self.drive("prune")

    def forms(self) -> list[dict[str, Any]]:
        """The drive's volumes, as EC2 tells them."""
        wanted = [{"Name": "tag:@sc-drive", "Values": [self.name]}]
        found: list[dict[str, Any]] = self.ec2().describe_volumes(Filters=wanted)["Volumes"]
        return found

    def one_writer(self) -> list[str]:
        """The instances that have a volume of the drive: not more than one."""
        holders = [each["InstanceId"] for one in self.forms() for each in one["Attachments"]]
        assert len(holders) <= 1, f"the drive is at {holders}"
        return holders

    def clear_up(self) -> None:
        """What went wrong is let go by EC2's own calls, and the next point has another drive."""
        self.control("clear")
        self.control("timing", **self.usual)
        for zone in NODES:
            self.on(zone, f"umount -l {self.path} 2>/dev/null; true")
        ec2, wanted = self.ec2(), [{"Name": "tag:@sc-drive", "Values": [self.name]}]
        for one in self.forms():
            if one["Attachments"]:
                ec2.detach_volume(VolumeId=one["VolumeId"], Force=True)
        until(lambda: all(one["State"] == "available" for one in self.forms()), "free volumes", limit=20)
        for one in self.forms():
            ec2.delete_volume(VolumeId=one["VolumeId"])
        for one in ec2.describe_snapshots(Filters=wanted)["Snapshots"]:
            ec2.delete_snapshot(SnapshotId=one["SnapshotId"])
        for one in ec2.describe_launch_templates(Filters=wanted)["LaunchTemplates"]:
            ec2.delete_launch_template(LaunchTemplateId=one["LaunchTemplateId"])
        self.lines, self.attached = 0, False

    # --- kills

    def recorded(self, verb: Verb) -> Record:
        words = verb.ready(self)
        before, start = self.world(), self.newest()
        self.control("watch", command=SCRIPT)
        self.do("drive", *words)
        entries = self.control("log", after=start)["entries"]
        self.control("clear")
        verb.check(self)
        verb.settle(self)
        calls = tuple(_calls(entries))
        seconds = calls[-1].at - calls[0].at
        return Record(calls=calls, leaves=self.steady(before), seconds=seconds)

    def steady(self, before: dict[str, set[str]]) -> Signature:
        """What has changed since, when nothing is under way any more."""
        now = before

        def look() -> bool:
            nonlocal now
            now = self.world()
            return not _under_way(now)

        until(look, lambda: f"an end of {_under_way(now)}", limit=20)
        return changes(before, now)

    def killed_at(self, verb: Verb, record: Record, point: Point) -> str:
        """Kill the verb at the point, do it again, look."""
        words = verb.ready(self)
        before = self.world()
        if point.call.changes and point.when == "after":
            self.control("timing", **SLOW)
        self.control("hold", **point.call.hold, when=point.when)
        first = self.begin("drive", *words)
        came = until(lambda: self.is_parked or first.poll() is not None, "the point") and first.poll() is None
        first.kill()
        until(lambda: not self.is_parked, "the end of the call", limit=5)
        self._again(verb, record, words, before)
        return "killed there" if came else "ended before that call came"

    def killed_after(self, verb: Verb, record: Record, seconds: float) -> str:
        words = verb.ready(self)
        before = self.world()
        first = self.begin("drive", *words)
        came = first.poll(seconds) is None
        first.kill()
        self._again(verb, record, words, before)
        return "killed there" if came else "ended before"

    def _again(self, verb: Verb, record: Record, words: Words, before: dict[str, set[str]]) -> None:
        self.control("clear")
        self.one_writer()
        again = self.begin("drive", *words)
        status = again.ends()
        self.control("timing", **self.usual)
        had_been_done = verb.done and re.search(verb.done, again.text)
        assert status == 0 or had_been_done, f"{' '.join(words)} again: ended {status}\n{again.text}"
        assert "Traceback" not in again.text, again.text
        verb.check(self)
        self.one_writer()
        verb.settle(self)
        leaves = self.steady(before)
        more, less = leaves - record.leaves, record.leaves - leaves
        assert not less, f"it left less than an undisturbed one, without {dict(less)}"
        assert more in (Counter(), Counter([verb.extra])), f"it left more than an undisturbed one: {dict(more)}"


def _calls(entries: list[dict[str, Any]]) -> Iterator[DriveCall]:
    counts: Counter[str] = Counter()
    for entry in entries:
        script = entry["kind"] == "command"
        action = SCRIPT if script else entry.get("action", "")
        if action:
            counts[action] += 1
            yield DriveCall(action=action, nth=counts[action], at=entry["at"], script=script)


def _under_way(world: dict[str, set[str]]) -> list[str]:
    states = ("creating", "pending", "deleting")
    return [one for kind in ("volumes", "snapshots") for one in world[kind] if one.endswith(states)]


def changes(before: dict[str, set[str]], after: dict[str, set[str]]) -> Signature:
    """How many of what came and went, without names: `+volumes available`."""
    found = [f"+{kind} {_kind(one)}" for kind in after for one in after[kind] - before[kind]]
    return Counter(found + [f"-{kind} {_kind(one)}" for kind in after for one in before[kind] - after[kind]])


def _kind(one: str) -> str:
    return one.rpartition(" ")[2] if " " in one else "drive's" if one.startswith("sc/drive/") else ""
