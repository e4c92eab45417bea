"""Faults on order: errors, and calls held back. For tests and rehearsals."""

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


@dataclass(kw_only=True)
class Fault:
    """The next `times` calls of `action` (`*`: any) are answered with an error, each with `probability`.

    `when` AFTER: the call is carried out, and only its answer is lost.
    """

    action: str
    code: str
    status: int
    message: str
    times: int
    probability: float
    when: When = When.BEFORE


@dataclass(kw_only=True)
class Hold:
    """The `nth` call of `action` from now on waits until it is released or its client goes away."""

    number: int
    action: str
    nth: int
    when: When
    seen: int = 0
    parked: bool = False
    released: threading.Event = field(default_factory=threading.Event)


class Faults:
    """What has been ordered, and the waiting room of held calls."""

    def __init__(self, *, chance: Callable[[], float] = random.random) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._holds: dict[int, Hold] = {}
        self._numbers = 0
        self._chance = chance

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Forget all faults and let all held calls go."""
        with self._lock:
            self._faults.clear()
        self.release(None)

    def strike(self, action: str) -> Fault | None:
        """The fault that hits this call, which is used up by it."""
        with self._lock:
            for fault in self._faults:
                if fault.action in (action, "*") and fault.times > 0 and self._chance() < fault.probability:
                    fault.times -= 1
                    return fault
        return None

    def hold(self, action: str, nth: int, when: When) -> int:
        """Order a call to be held; the number names the order."""
        with self._lock:
            self._numbers += 1
            self._holds[self._numbers] = Hold(number=self._numbers, action=action, nth=nth, when=when)
            return self._numbers

    def release(self, number: int | None) -> int:
        """Let held calls go on (None: all) and forget those orders; says how many there were."""
        with self._lock:
            chosen = [each for each in self._holds.values() if number in (None, each.number)]
            for each in chosen:
                each.released.set()
                del self._holds[each.number]
            return len(chosen)

    def holds(self) -> list[dict[str, object]]:
        """The orders and whether a call waits for each."""
        with self._lock:
            return [
                {"number": each.number, "action": each.action, "when": each.when.value, "parked": each.parked}
                for each in self._holds.values()
            ]

    def claim(self, action: str) -> Hold | None:
        """The hold that this call runs into: it is the nth of its action since the order. All orders count it."""
        found = None
        with self._lock:
            for each in self._holds.values():
                if each.action != action or each.parked:
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
                return False
        return True
