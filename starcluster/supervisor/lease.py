"""Who supervises a name: an advice to other drivers, written into the name's record and renewed.

It keeps two drivers from treading on each other's feet; what keeps them from launching twice is the token.
"""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from starcluster.cluster.namerecord import Lease, NameRecord
from starcluster.supervisor.memory import Memory

LENGTH = 180.0  # EC2's seconds
LEAST = 15.0  # of ours: however fast the cloud's clock is turned up, this machine is not faster


@dataclass(frozen=True, kw_only=True)
class Holder:
    """This driver, told from all others: user@host:pid:start."""

    text: str

    @classmethod
    def of_this_process(cls) -> Holder:
        pid = os.getpid()
        return cls(text=f"{getpass.getuser()}@{_host()}:{pid}:{_start(pid)}")


def _host() -> str:
    """The machine and its boot: a pid means something only there."""
    boot = _read("/proc/sys/kernel/random/boot_id")[:8]
    return f"{socket.gethostname()}/{boot}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _start(pid: int) -> str:
    text = _read(f"/proc/{pid}/stat")
    return text[text.rindex(")") + 2 :].split()[19] if ")" in text else ""


def is_dead_here(holder: str) -> bool:
    """The holder was a process of this machine, and that process is gone."""
    parts = holder.rsplit(":", 2)
    if len(parts) != 3 or not parts[1].isdigit():
        return False
    place = parts[0].partition("@")[2]
    return place == _host() and bool(parts[2]) and _start(int(parts[1])) != parts[2]


def other_holder(record: NameRecord | None, me: Holder, memory: Memory, scale: float) -> str:
    """The other driver whose lease is good, "" when the name is free for us.

    Good is a lease that was seen to change within its length by our own steady clock. What time the lease itself
    tells is not looked at: the two machines' clocks may disagree by hours, and a laptop sleeps.
    """
    lease = record.lease if record else None
    if record is None or lease is None or lease.holder == me.text or is_dead_here(lease.holder):
        return ""
    unchanged = memory.unchanged(("lease", record.name), _text(lease))
    return "" if unchanged >= length(scale).total_seconds() * scale else lease.holder


def _text(lease: Lease) -> str:
    return f"{lease.holder} {lease.until.timestamp()}"


def length(scale: float) -> timedelta:
    return timedelta(seconds=max(LENGTH / scale, LEAST))


def new_lease(me: Holder, now: datetime, scale: float) -> Lease:
    return Lease(holder=me.text, until=now + length(scale))


def wants_renewal(record: NameRecord, me: Holder, memory: Memory, scale: float) -> bool:
    """Ours and half gone, or not ours any more (the caller has seen that nobody else has it)."""
    lease = record.lease
    if lease is None or lease.holder != me.text:
        return True
    return memory.unchanged(("lease", record.name), _text(lease)) >= length(scale).total_seconds() * scale / 2
