"""Keeps the sum of what each name has cost in its record, beside the loop: it never waits for a price."""

from __future__ import annotations

from starcluster import exception
from starcluster.clock import Clock
from starcluster.cluster.costs import Meter, is_due, reckon
from starcluster.cluster.namerecord import NameRecords
from starcluster.logger import log
from starcluster.supervisor.crew import Crew
from starcluster.supervisor.journal import Journal
from starcluster.supervisor.look import NameLook
from starcluster.supervisor.telling import cost_words

_AGAIN = 60.0  # EC2's seconds until a sum that could not be written is tried again


class Accountant:
    def __init__(self, *, meter: Meter, records: NameRecords, crew: Crew, journal: Journal, clock: Clock) -> None:
        self.meter = meter
        self._records, self._crew, self._journal, self._clock = records, crew, journal, clock
        self._later: dict[str, float] = {}

    def count(self, name: str, known: NameLook) -> None:
        """Have what has ended since the last time added to the record, if anything has."""
        if known.record is None or not is_due(known.record, known.instances):
            return
        key = f"the costs of {name}"
        if self._crew.is_busy(key) or self._later.get(name, 0.0) > self._clock.monotonic():
            return
        self._later[name] = self._clock.monotonic() + _AGAIN
        self._crew.give(key, lambda: self._write(name, known))

    def close(self, name: str, known: NameLook) -> None:
        """The name is done with: write the sum and say it."""
        if known.record is None:
            return
        self._write(name, known)
        spent = reckon(known.record, known.instances, self.meter.ask, self.meter.now())
        if not spent.seconds:
            return
        log.info("%s: %s", name, cost_words(spent))
        whole = not spent.unknown
        self._journal.add(name, "cost", seconds=round(spent.seconds, 3), usd=round(spent.usd, 6), whole=whole)

    def _write(self, name: str, known: NameLook) -> None:
        """Trouble with it costs the figure, never the job."""
        if known.record is None:
            return
        try:
            self._records.change(known.record, spent=self.meter.settle(known.record, known.instances))
        except exception.BaseException as error:
            log.debug("the costs of %s: %s", name, error)
