"""Which instances this driver has seen alive, and of which it knows how they ended.

EC2 forgets a terminated instance after about an hour. A spot request tells for days how its instance ended; of an
on-demand instance nothing is left, and a driver that slept meanwhile can not know whether a person ended it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from starcluster.cluster.namerecord import NameRecord
from starcluster.model import Instance, Market
from starcluster.supervisor.noderules import BY_USER


class Sights:
    """Only what the drivers' names need is kept: an instance that no record names any more is dropped."""

    def __init__(self) -> None:
        self._alive: dict[str, Market] = {}
        self._explained: set[str] = set()
        self._gone_when_asked: set[str] = set()

    def note(self, instances: Sequence[Instance], wanted: Collection[str] | None = None) -> None:
        """What EC2 shows now; `wanted`: the ids that the records name, None when they are not known."""
        for one in instances:
            if one.state.is_alive:
                self._alive[one.id] = one.market
                self._gone_when_asked.discard(one.id)
            elif one.state.is_gone and one.reason_code != BY_USER:
                self._explained.add(one.id)
        if wanted is not None:
            kept = {*wanted, *(one.id for one in instances)}
            self._alive = {key: market for key, market in self._alive.items() if key in kept}
            self._explained &= kept
            self._gone_when_asked &= kept

    def note_asked(self, record: NameRecord, instances: Sequence[Instance]) -> None:
        """The user asks for the name at this moment: whatever became of its instance before is settled by that."""
        if record.born and record.born not in {one.id for one in instances if one.state.is_alive}:
            self._gone_when_asked.add(record.born)

    def has_seen_alive(self, instance_id: str) -> bool:
        return instance_id in self._alive

    def is_unexplained(self, record: NameRecord | None, instances: Sequence[Instance]) -> bool:
        """Whether the record's on-demand instance is shown no more, and nobody can tell how it ended."""
        if record is None or not record.born or record.born in {one.id for one in instances}:
            return False
        asked_for = record.intent.pool.market if record.intent else Market.SPOT
        market = self._alive.get(record.born, asked_for)
        settled = record.born in self._explained or record.born in self._gone_when_asked
        return market is Market.ON_DEMAND and not settled
