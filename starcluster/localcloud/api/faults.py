"""Faults on order: errors, and calls held back. For tests and rehearsals.

A call is one of EC2's actions, or a command that somebody runs on a node by SSH.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

# A fault with this code has no answer at all: the connection is closed.
CONNECTION_RESET = "ConnectionReset"
# A fault with this code is an answer whose second half is missing.
CUT_ANSWER = "CutAnswer"


class When(StrEnum):
    """Where a call is held or refused: before it is executed, or after that and before its answer."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, kw_only=True)
class Command:
    """An SSH command and what it is given as its input; in an order: a part of each."""

    text: str
    given: str = ""

    def is_part_of(self, whole: Command) -> bool:
        return self.text in whole.text and self.given in whole.given


class OfS3(str):
    """One of S3's actions."""


Call = str | Command
ANY = "*"  # of EC2's actions
ANY_OF_S3 = "s3:*"


def is_for(ordered: Call, call: Call) -> bool:
    """Whether an order means this call."""
    if isinstance(call, Command):
        return isinstance(ordered, Command) and ordered.is_part_of(call)
    if isinstance(call, OfS3):
        return ordered in (call, ANY_OF_S3)
    return ordered in (call, ANY)


def plain(call: Call) -> dict[str, object]:
    """As the control tells it."""
    return {"command": call.text, "given": call.given} if isinstance(call, Command) else {"action": call}


@dataclass(kw_only=True)
class Fault:
    """The next `times` calls of `action` (`*`: any of EC2's, `s3:*`: any of S3's) are answered with an error.

    Each with `probability`; the first `skip` calls are let through.
    `when` AFTER: the call is carried out, and only its answer is lost. `status` is HTTP's, or a command's exit status.
    """

    action: Call
    code: str
    status: int
    message: str
    times: int
    probability: float
    when: When = When.BEFORE
    skip: int = 0


@dataclass(kw_only=True)
class Hold:
    """The `nth` call of `action` from now on waits until it is released or its client goes away."""

    number: int
    action: Call
    nth: int
    when: When
    seen: int = 0
    parked: bool = False
    released: threading.Event = field(default_factory=threading.Event)


class Faults:
    """What has been ordered, and the waiting room of held calls. `changed` is called after each change."""

    def __init__(self, *, chance: Callable[[], float] = random.random) -> None:
        self.changed: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._holds: dict[int, Hold] = {}
        self._watches: list[Command] = []
        self._numbers = 0
        self._chance = chance

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)
        self.changed()

    def clear(self) -> None:
        """Forget all faults and watches, and let all held calls go."""
        with self._lock:
            self._faults.clear()
            self._watches.clear()
        self.release(None)

    def watch(self, command: Command) -> None:
        """Have such commands written down; nothing else happens to them."""
        with self._lock:
            self._watches.append(command)
        self.changed()

    def commands(self) -> list[Command]:
        """The commands on nodes that any order is about."""
        with self._lock:
            faults = [each.action for each in self._faults if each.times > 0]
            ordered = [*faults, *(each.action for each in self._holds.values()), *self._watches]
        return [each for each in ordered if isinstance(each, Command)]

    def strike(self, action: Call) -> Fault | None:
        """The fault that hits this call, which is used up by it."""
        with self._lock:
            for fault in self._faults:
                if not is_for(fault.action, action) or fault.times <= 0:
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                elif self._chance() < fault.probability:
                    fault.times -= 1
                    return fault
        return None

    def hold(self, action: Call, nth: int, when: When) -> int:
        """Order a call to be held; the number names the order."""
        with self._lock:
            self._numbers += 1
            number = self._numbers
            self._holds[number] = Hold(number=number, action=action, nth=nth, when=when)
        self.changed()
        return number

    def release(self, number: int | None) -> int:
        """Let held calls go on (None: all) and forget those orders; says how many there were."""
        with self._lock:
            chosen = [each for each in self._holds.values() if number in (None, each.number)]
            for each in chosen:
                each.released.set()
                del self._holds[each.number]
        self.changed()
        return len(chosen)

    def holds(self) -> list[dict[str, object]]:
        """The orders and whether a call waits for each."""
        with self._lock:
            return [
                {"number": each.number, **plain(each.action), "when": each.when.value, "parked": each.parked}
                for each in self._holds.values()
            ]

    def claim(self, action: Call) -> Hold | None:
        """The hold that this call runs into: it is the nth of its kind since the order. All orders count it."""
        found = None
        with self._lock:
            for each in self._holds.values():
                if not is_for(each.action, action) or each.parked:
                    continue
                each.seen += 1
                if each.seen == each.nth and found is None:
                    found = each
        return found

    def park(self, hold: Hold, client_alive: Callable[[], bool]) -> bool:
        """Wait; True when released, False when the client is gone."""
        hold.parked = True
        while not hold.released.wait(0.02):
            if not client_alive():
                with self._lock:
                    self._holds.pop(hold.number, None)
                self.changed()
                return False
        return True
