"""What this process has written into tags, for as long as a read may not show it yet.

EC2's reads lag behind its writes. Who acts by an older record of his own does again what he has done, or takes the end
that he gave a node himself for a stranger's. What others write wins: a read that shows anything of ours, or a value
that we have never seen, is not older than our write, and is believed as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from starcluster.clock import Clock
from starcluster.model import LaunchTemplate

KEPT = 300.0  # EC2's seconds; a read that lags for longer has not been seen


@dataclass(frozen=True, kw_only=True)
class Write:
    """One call: the values that it gave to keys, and those that they had before."""

    at: float
    old: Mapping[str, str]
    new: Mapping[str, str]

    def is_shown(self, tags: Mapping[str, str], earlier: Sequence[Write]) -> bool:
        """Not while every key has a value of before: the tags of one thing are shown as they were at one moment."""
        return any(tags.get(key, "") not in {old, *_before(key, earlier)} for key, old in self.old.items())


def _before(key: str, writes: Sequence[Write]) -> set[str]:
    return {one.old[key] for one in writes if key in one.old}


class OwnWrites:
    """Shared by the loop and the acts, each in threads of their own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._writes: dict[str, list[Write]] = {}
        self._made: dict[str, tuple[float, LaunchTemplate]] = {}

    def note_made(self, template: LaunchTemplate) -> None:
        with self._lock:
            self._made[template.name] = (self._clock.monotonic(), template)

    def note(self, template_id: str, before: Mapping[str, str], changes: Mapping[str, str]) -> None:
        """`changes` are written; `before`: what the tags were taken for."""
        old = {key: before.get(key, "") for key, value in changes.items() if before.get(key, "") != value}
        if not old:
            return
        write = Write(at=self._clock.monotonic(), old=old, new=dict(changes))
        with self._lock:
            self._writes.setdefault(template_id, []).append(write)

    def corrected(self, template: LaunchTemplate) -> LaunchTemplate:
        """With what we have written and this read does not show yet."""
        with self._lock:
            self._made.pop(template.name, None)
        return self._written_into(template)

    def _written_into(self, template: LaunchTemplate) -> LaunchTemplate:
        oldest = self._clock.monotonic() - KEPT
        with self._lock:
            pending = [one for one in self._writes.pop(template.id, []) if one.at >= oldest]
            pending = _after_the_last_shown(pending, template.tags)
            if not pending:
                return template
            self._writes[template.id] = pending
        tags = dict(template.tags)
        for write in pending:
            tags.update(write.new)
        return replace(template, tags=tags)

    def unshown(self, found: Iterable[LaunchTemplate]) -> list[LaunchTemplate]:
        """The templates that we have made and that are not among those that were found."""
        there = {one.name for one in found}
        with self._lock:
            known = list(self._made)
        return [made for name in known if name not in there and (made := self.made(name))]

    def made(self, name: str) -> LaunchTemplate | None:
        """The template of that name as we have made it, and written into it, a while ago."""
        with self._lock:
            at, template = self._made.get(name, (0.0, None))
            if template is None or at < self._clock.monotonic() - KEPT:
                self._made.pop(name, None)
                return None
        return self._written_into(template)


def _after_the_last_shown(writes: list[Write], tags: Mapping[str, str]) -> list[Write]:
    """Writes come one after the other, so what shows one of them shows those before it."""
    for number in reversed(range(len(writes))):
        if writes[number].is_shown(tags, writes[:number]):
            return writes[number + 1 :]
    return writes
