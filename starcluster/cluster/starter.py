"""Who starts a cluster: two starts of one name at once would set up, and undo, each other's nodes.

The group's tag says who is at it, and its last word changes all the time while he lives. Of a process of this machine
it is known at once whether it does; of one elsewhere it is seen, by our own clock: two machines' clocks are never
compared.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.clock import Clock
from starcluster.cluster import record
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.cluster.cluster import Cluster

BEAT = 60.0  # EC2's seconds between two signs of life
LEAST_BEAT = 5.0  # of wall time, on a fast local cloud
SILENT = 180.0  # a start elsewhere that gives no sign for so long is taken for dead
_LOOK = 10.0
_PATIENCE = 2.0  # of wall time
_LONGEST = timedelta(hours=1)  # of one that gives no signs: a version before them
_NOBODY = "-"


def mark(clock: Clock, beat: int = 0) -> str:
    """This process, as a tag's value: host, process, when it began, the moment, and how often it said so."""
    pid = os.getpid()
    return f"{socket.gethostname()} {pid} {_began(pid)} {clock.now().isoformat(timespec='seconds')} {beat}"


def check(cluster: Cluster, clock: Clock) -> None:
    """ClusterExists while somebody else's start of this cluster goes on; one elsewhere is watched first."""
    words = cluster.group.tags.get(record.STARTER, "").split()
    if len(words) not in (4, 5) or not _is_at_work(cluster, words, clock):
        return
    host, pid = words[0], words[1]
    raise exception.ClusterExists(
        f"cluster '{cluster.tag}' is being started by somebody else just now (process {pid} on {host})",
        hint=f"wait for that one: starcluster listclusters {cluster.tag}; or starcluster terminate {cluster.tag} ends"
        " what it made, at any time",
    )


def _is_at_work(cluster: Cluster, words: list[str], clock: Clock) -> bool:
    host, pid, began, at = words[:4]
    if host == socket.gethostname():
        return pid != str(os.getpid()) and pid.isdigit() and _began(int(pid)) == began
    if len(words) == 5:
        return _gives_a_sign(cluster, words, clock)
    try:
        return clock.now() - datetime.fromisoformat(at) < _LONGEST
    except (ValueError, TypeError):
        return False


def _gives_a_sign(cluster: Cluster, words: list[str], clock: Clock) -> bool:
    """Whether its mark changes, or the group goes, while we look."""
    told = "The start of %s by process %s on %s did not end: looking for up to %g minutes whether it goes on"
    log.info(told, cluster.tag, words[1], words[0], SILENT / 60)
    end = clock.end_of(SILENT)
    while clock.monotonic() < end:
        clock.sleep(_LOOK)
        group = cluster.ec2.network.group(cluster.group.name)
        if group is None or group.tags.get(record.STARTER, "").split() != words:
            return True
    return False


class Heart:
    """Gives the signs of life of our own start, and hears when somebody else has taken it over.

    That happens to one who slept, or had no network, for longer than the others wait.
    """

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster, self._clock = cluster, clock
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._live, name="start", daemon=True)
        self._beat = 0
        self.heir = ""

    def __enter__(self) -> Heart:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        self._thread.join(_PATIENCE)  # a call that hangs is not to hold up who presses Ctrl-C
        if kind is not None and not self.heir and not isinstance(error, exception.TransientError):
            # who goes on with it need not wait; where EC2 is not reached, nobody is told anything
            with contextlib.suppress(exception.AWSError):
                self._say(_NOBODY)

    def check(self) -> None:
        """ClusterExists when the start is not ours any more."""
        if self.heir:
            raise exception.ClusterExists(
                f"the start of cluster '{self._cluster.tag}' was taken over by {self.heir}: this one gave no sign of"
                f" life for {SILENT / 60:g} minutes",
                hint=f"wait for that one: starcluster listclusters {self._cluster.tag}",
            )

    def _live(self) -> None:
        pause = max(BEAT, LEAST_BEAT * self._clock.scale)
        while not self._clock.wait(self._done, pause):
            try:
                self.beat()
            except exception.AWSError as error:
                log.debug("no sign of life of this start: %s", error)

    def beat(self) -> None:
        """One sign of life, unless the start is somebody else's by now."""
        group = self._cluster.ec2.network.group(self._cluster.group.name)
        words = group.tags.get(record.STARTER, "").split() if group else []
        if len(words) == 5 and words[:3] != mark(self._clock).split()[:3]:
            self.heir = f"process {words[1]} on {words[0]}"
        elif group is not None and not self.heir:
            self._beat += 1
            self._say(mark(self._clock, self._beat))

    def _say(self, value: str) -> None:
        self._cluster.ec2.network.tag_group(self._cluster.group.id, {record.STARTER: value})


def _began(pid: int) -> str:
    """When a process of this machine began, in the kernel's ticks, "-" for none: numbers are used again."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:
        return "-" if not _lives(pid) else "?"
    return after_name.split()[19]


def _lives(pid: int) -> bool:
    """Where there is no /proc."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not Path("/proc/self").exists()
