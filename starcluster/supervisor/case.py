"""One name as the rules see it: its wish, what is known of it, and the questions that several rules ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from starcluster.cluster.namerecord import NameRecord
from starcluster.cluster.record import GENERATION, READY
from starcluster.model import Instance, SpotState
from starcluster.supervisor.actions import (
    Action,
    Wait,
)
from starcluster.supervisor.look import (
    Look,
    NameLook,
    Report,
)
from starcluster.supervisor.wishes import Wish

# in EC2's seconds: the pause after which a look at something that is under way is worth it
SOON = 5.0


@dataclass(frozen=True)
class Case:
    """One name: its wish, what is known, and the questions that several rules ask."""

    wish: Wish
    known: NameLook
    look: Look

    @cached_property
    def record(self) -> NameRecord:
        return self.known.record or NameRecord(name=self.wish.name, cluster=self.wish.cluster)

    def generation(self, instance: Instance) -> int:
        """Of which generation an instance is; 0 = none of ours made it."""
        if instance.id == self.record.born:
            return self.record.generation
        tag = instance.tags.get(GENERATION, "")
        return int(tag) if tag.isdigit() else 0

    @cached_property
    def instances(self) -> list[Instance]:
        """Best first: the newest generation, then the one we wrote down, then the one that is set up."""

        def order(one: Instance) -> tuple[object, ...]:
            return (
                -self.generation(one),
                one.id != self.record.born,
                not one.tags.get(READY),
                not one.state.is_in_cluster,
                one.id,
            )

        return sorted(self.known.instances, key=order)

    @cached_property
    def of_now(self) -> list[Instance]:
        """The instances of the record's generation."""
        if not self.record.generation:
            return []
        return [one for one in self.instances if self.generation(one) == self.record.generation]

    @cached_property
    def current(self) -> Instance | None:
        """The instance that has the name: of the record's generation and not gone."""
        here = [one for one in self.of_now if not one.state.is_gone]
        return here[0] if here else None

    @cached_property
    def others(self) -> list[Instance]:
        """Instances of the name that hold a place in the cluster and are not the current one."""
        return [one for one in self.instances if one.state.is_in_cluster and one is not self.current]

    @cached_property
    def is_drained(self) -> bool:
        return 0 < self.record.generation <= self.record.drained

    @property
    def report(self) -> Report | None:
        """The agent's word, if it is that of an instance of the record's generation, dead or alive."""
        answer = self.known.answer
        if isinstance(answer, Report) and any(one.id == answer.instance_id for one in self.of_now):
            return answer
        return None

    @property
    def is_taken(self) -> bool:
        """EC2 has closed the spot request of the current instance: it will be gone in two minutes."""
        here = self.current
        mine = [one for one in self.known.requests if here and one.instance_id == here.id]
        return any(one.state in (SpotState.CLOSED, SpotState.FAILED) for one in mine)

    def wait(self, because: str, seconds: float = SOON) -> Wait:
        return Wait(name=self.wish.name, because=because, seconds=min(seconds, self.wish.check_interval))


Rule = Callable[[Case], Action | None]
