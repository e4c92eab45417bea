"""Processes as /proc shows them: who lives, who descends from whom, and signals to all of them."""

from __future__ import annotations

import os


class Entry:
    """One line of the process table."""

    __slots__ = ("parent", "session", "start", "state")

    def __init__(self, state: str, parent: int, session: int, start: int) -> None:
        self.state = state
        self.parent = parent
        self.session = session
        self.start = start


def entry(pid: int) -> Entry | None:
    """The process, None when it is gone. A program's name may hold spaces and brackets: cut after the last one."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    words = text[text.rindex(")") + 2 :].split()
    return Entry(words[0], int(words[1]), int(words[3]), int(words[19]))


def start_of(pid: int) -> int:
    """When it began, in the kernel's ticks: with the pid, its identity in this boot."""
    found = entry(pid)
    return found.start if found else 0


def is_alive(identity: list[int] | None) -> bool:
    """Whether this very process [pid, start] runs; a zombie does not."""
    if not identity:
        return False
    found = entry(identity[0])
    return found is not None and found.start == identity[1] and found.state not in "ZX"


def table() -> dict[int, Entry]:
    found = {}
    for word in os.listdir("/proc"):
        if word.isdigit():
            one = entry(int(word))
            if one is not None:
                found[int(word)] = one
    return found


def members(keeper: int, session: int) -> list[int]:
    """The living processes of a command: what descends from its keeper, and its session.

    The keeper takes in orphans, so that also what detached itself descends from it; when the keeper itself
    was killed, the session is what is left to know them by.
    """
    processes = table()
    children: dict[int, list[int]] = {}
    for pid, one in processes.items():
        children.setdefault(one.parent, []).append(pid)
    found: set[int] = {pid for pid, one in processes.items() if session and one.session == session}
    ahead = list(children.get(keeper, [])) if keeper in processes else []
    while ahead:
        pid = ahead.pop()
        found.add(pid)
        ahead.extend(children.get(pid, []))
    return sorted(pid for pid in found if processes[pid].state not in "ZX")


_SHELLS = ("bash", "sh", "dash", "zsh", "ksh", "ash", "busybox")


def _is_shell(pid: int) -> bool:
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")) in _SHELLS
    except OSError:
        return False


def mains(found: list[int]) -> list[int]:
    """Of a command's processes those that are to hear of the end first: its shells and the programs these started.

    Not what the programs started themselves: a training that has lost its data loaders can not save.
    """
    every = table()
    living = {pid: every[pid].parent for pid in found if pid in every}
    told = [pid for pid, parent in living.items() if parent not in living]
    for pid in told:
        if _is_shell(pid):
            told.extend(child for child, parent in living.items() if parent == pid)
    return told


def signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
