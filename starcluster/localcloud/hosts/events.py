"""What nodes did by themselves, numbered, kept in a file so that no agent's death hides a node's."""

import json
import logging
import threading
from pathlib import Path

from starcluster.localcloud.hosts.spec import Event

log = logging.getLogger("events")

_MOST = 10_000


class Events:
    """An append-only list that others can wait on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = threading.Condition()
        self._events = self._loaded()

    def _loaded(self) -> list[Event]:
        """What earlier agents wrote. A line that a death has cut off is closed, so that the next one is whole."""
        if not self._path.exists():
            return []
        text = self._path.read_text()
        if text and not text.endswith("\n"):
            with self._path.open("a") as file:
                file.write("\n")
        parsed = (_parsed(line) for line in text.splitlines()[-_MOST:])
        return [event for event in parsed if event is not None]

    @property
    def newest(self) -> int:
        """The number of the last event; 0 before the first."""
        return self._events[-1].number if self._events else 0

    def add(self, instance_id: str, how: str) -> None:
        """A node has ended by itself."""
        with self._changed:
            event = Event(number=self.newest + 1, kind="exited", instance_id=instance_id, how=how)
            self._events.append(event)
            try:
                with self._path.open("a") as file:
                    file.write(json.dumps(event.plain()) + "\n")
            except OSError as error:  # it is told all the same
                log.error("an event cannot be written: %s", error)
            self._changed.notify_all()

    def after(self, number: int, *, timeout: float) -> tuple[int, list[Event]]:
        """Events above `number`, waiting for the first one up to `timeout`; and the newest number."""
        with self._changed:
            self._changed.wait_for(lambda: self.newest > number, timeout)
            return self.newest, [one for one in self._events if one.number > number]


def _parsed(line: str) -> Event | None:
    try:
        return Event.of(json.loads(line))
    except ValueError:
        return None
