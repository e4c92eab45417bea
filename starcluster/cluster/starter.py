"""Who starts a cluster: two starts of one name at once would set up, and undo, each other's nodes."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.clock import Clock
from starcluster.cluster import record

if TYPE_CHECKING:
    from starcluster.cluster.cluster import Cluster

_LONGEST = timedelta(hours=1)  # after which a start on another machine is taken for dead


def mark(clock: Clock) -> str:
    """This process, as a tag's value: host, process, when it began, the moment."""
    pid = os.getpid()
    return f"{socket.gethostname()} {pid} {_began(pid)} {clock.now().isoformat(timespec='seconds')}"


def check(cluster: Cluster, clock: Clock) -> None:
    """ClusterExists while somebody else's start of this cluster goes on, as far as can be seen from here."""
    words = cluster.group.tags.get(record.STARTER, "").split()
    if len(words) != 4 or not _is_at_work(words, clock):
        return
    host, pid = words[0], words[1]
    raise exception.ClusterExists(
        f"cluster '{cluster.tag}' is being started by somebody else just now (process {pid} on {host})",
        hint=f"wait for that one: starcluster listclusters {cluster.tag}; if it is dead, starcluster terminate"
        f" {cluster.tag} removes what it made",
    )


def _is_at_work(words: list[str], clock: Clock) -> bool:
    host, pid, began, at = words
    if host == socket.gethostname():
        return pid != str(os.getpid()) and pid.isdigit() and _began(int(pid)) == began
    try:
        return clock.now() - datetime.fromisoformat(at) < _LONGEST
    except (ValueError, TypeError):
        return False


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
