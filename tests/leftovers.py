"""What a local cloud could leave on this machine: seen from outside, without asking the cloud itself."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Everything that belongs to no single test, as sets that can be compared before and after."""

    namespaces: frozenset[str]
    loops: frozenset[str]
    mounts: frozenset[str]
    links: frozenset[str]

    def more_than(self, before: Footprint) -> dict[str, list[str]]:
        """What is here and was not before; empty when nothing is."""
        grown = {one.name: getattr(self, one.name) - getattr(before, one.name) for one in fields(self)}
        return {name: sorted(things) for name, things in grown.items() if things}


def footprint() -> Footprint:
    return Footprint(
        namespaces=frozenset(_namespaces()),
        loops=frozenset(_lines("losetup", "-a")),
        mounts=frozenset(Path("/proc/mounts").read_text().splitlines()),
        links=frozenset(line.split(":")[1] for line in _lines("ip", "-o", "link")),
    )


def processes_naming(folder: Path) -> dict[int, str]:
    """The processes whose command line has the folder's path in it, this one excepted."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words:
            found[int(entry.name)] = words
    return found


def _namespaces() -> set[str]:
    """The network namespaces that a process is in, by inode."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.add(os.readlink(entry / "ns" / "net"))
            except OSError:
                continue
    return found


def _lines(*words: str) -> list[str]:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
