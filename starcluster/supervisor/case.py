"""One name as the rules see it: its wish, what is known of it, and the questions that several rules ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from starcluster.cluster.namerecord import NameRecord, Successor
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
LAG_LIMIT = 300.0  # as long may a describe lag behind the launch that we know went well


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
        """Instances of the name that hold a place in the cluster and are neither the current one nor its successor."""
        known = (self.current, self.successor_instance)
        return [one for one in self.instances if one.state.is_in_cluster and one not in known]

    @cached_property
    def successor(self) -> Successor | None:
        """What was asked for while the current instance works."""
        found = self.record.successor
        return found if found and found.generation > self.record.generation else None

    @cached_property
    def successor_instance(self) -> Instance | None:
        """The successor as EC2 shows it; a launch whose answer was lost is known by its token."""
        wanted = self.successor
        if wanted is None:
            return None
        token = wanted.intent.token if wanted.intent else ""
        found = [one for one in self.known.instances if one.id == wanted.born or (token and one.client_token == token)]
        return found[0] if found else None

    @property
    def has_successor(self) -> bool:
        """One lives, or is asked for: nothing else may be launched for the name."""
        if self.successor is None:
            return False
        if self.successor_instance is not None:
            return not self.successor_instance.state.is_gone
        asked, born = self.successor.intent, self.successor.born
        return bool(asked and not born) or bool(born and self.known.successor_age < LAG_LIMIT)

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
        """EC2 takes the current instance."""
        return self.current is not None and self.takes(self.current)

    def takes(self, instance: Instance) -> bool:
        """EC2 has closed its spot request: it will be gone in two minutes."""
        mine = [one for one in self.known.requests if one.instance_id == instance.id]
        return any(one.state in (SpotState.CLOSED, SpotState.FAILED) for one in mine)

    def wait(self, because: str, seconds: float = SOON) -> Wait:
        return Wait(name=self.wish.name, because=because, seconds=min(seconds, self.wish.check_interval))


Rule = Callable[[Case], Action | None]
