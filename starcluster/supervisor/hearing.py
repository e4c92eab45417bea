"""What the machines say: by way of the master, and directly of whom the master knows nothing fresh.

That a node says nothing is a value too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starcluster import exception
from starcluster.clock import Clock
from starcluster.cluster.namerecord import NameRecord
from starcluster.cluster.record import GENERATION, READY
from starcluster.model import Instance, InstanceState
from starcluster.supervisor import agentlink
from starcluster.supervisor.agentlink import AgentError, Shell
from starcluster.supervisor.asking import Asking
from starcluster.supervisor.look import Absent, Answer, Report, Silent, Unasked, Unreachable
from starcluster.supervisor.memory import Memory
from starcluster.supervisor.wishes import Wish

BEAT = 10.0  # EC2's seconds; the agent reports at least so often
LEAST_FRESH = 3.0  # of ours
DIRECT_LIMIT = 15.0
PATIENCE = 2.0  # of ours, that a look waits for nodes that are asked directly
Seen = tuple[Wish, tuple[Instance, ...], NameRecord | None, Mapping[str, Any]]
"""A name's instances, its record, and what the master's agent has told of it."""


class Machines(Protocol):
    """How the nodes are reached."""

    def shell(self, instance: Instance) -> Shell: ...


@dataclass(frozen=True, kw_only=True)
class Question:
    """A node to be asked directly, and what is known of it over the master: its old word, and how old that is."""

    current: Instance
    old: Report | None
    age: float


class Hearing:
    """`in_threads`: nodes are asked directly side by side."""

    def __init__(self, machines: Machines, *, memory: Memory, clock: Clock, in_threads: bool) -> None:
        self._machines, self._memory, self._clock = machines, memory, clock
        self._asking: Asking[Question, Answer] = Asking(
            self._ask_node, key=lambda one: one.current.id, not_yet=_not_yet, patience=PATIENCE, in_threads=in_threads
        )
        self._installed_on = ""

    def ask_master(self, master: Instance | None, wanted: list[str]) -> dict[str, dict[str, Any]]:
        """The last reports as the shared volume has them; {} when the master can not tell, or has nothing to."""
        if not wanted or master is None or master.state is not InstanceState.RUNNING:
            return {}
        return self.wait_for_news(master, wanted, seconds=0)

    def wait_for_news(self, master: Instance, wanted: list[str], *, seconds: float) -> dict[str, dict[str, Any]]:
        """Ask the master's agent; it answers at once if there is news, else after so many wall seconds."""
        try:
            shell = self._machines.shell(master)
            if self._installed_on != master.id:
                agentlink.install(shell)
                self._installed_on = master.id
            answer = agentlink.call(
                shell,
                "look",
                limit=seconds + DIRECT_LIMIT,
                names=wanted,
                wait=seconds,
                seen={name: self._memory.seen.get(name) for name in wanted} if seconds else {},
            )
        except (AgentError, exception.SSHError):
            self._installed_on = ""
            return {}  # then the nodes are asked directly
        found = answer.get("reports")
        return found if isinstance(found, dict) else {}

    def answers(self, seen: Sequence[Seen]) -> list[Answer]:
        """Each name's own word; the nodes that the master knows nothing fresh of are asked side by side."""
        told = [self._answer(wish.name, newest(mine, record), word) for wish, mine, record, word in seen]
        answers = iter(self._asking.answers([one for one in told if isinstance(one, Question)]))
        return [next(answers) if isinstance(one, Question) else one for one in told]

    def _answer(self, name: str, current: Instance | None, word: Mapping[str, Any]) -> Answer | Question:
        """The newest word of the name's instance over the master, else what to ask the node itself."""
        if current is None:
            return Unasked()
        report, age = self._shared(current, word)
        if report is not None:
            self._memory.seen[name] = report.seq
        if current.state is not InstanceState.RUNNING:
            return report or Unasked()
        if not is_usable(current):
            return Unasked()
        if report is not None and age <= max(3 * BEAT / self._clock.scale, LEAST_FRESH):
            return report
        return Question(current=current, old=report, age=age)

    def _shared(self, current: Instance, word: Mapping[str, Any]) -> tuple[Report | None, float]:
        """The report on the shared volume if it is of this very instance, and how old it is in wall seconds.

        That is at least as long as we have seen it unchanged: the master's clock may have been set back.
        """
        words = word.get("report")
        if not words or words.get("instance_id") != current.id:
            return None, 0.0
        try:
            report = agentlink.parse_report(words)
        except AgentError:
            return None, 0.0
        seen = self._memory.unchanged(("report", current.id), f"{report.seq} {words.get('at')}") / self._clock.scale
        return report, max(float(word.get("age") or 0), seen)

    def _ask_node(self, question: Question) -> Answer:
        try:
            answer = agentlink.call(self._machines.shell(question.current), "report", limit=DIRECT_LIMIT)
            return agentlink.parse_report(answer["report"])
        except AgentError as error:
            return Absent(why=error.msg) if error.kind == "absent" else Unreachable(why=error.msg)
        except exception.SSHError as error:
            return Silent(age=question.age) if question.old else Unreachable(why=_first_line(error), by_ssh=True)
        except exception.AWSError as error:  # its console, which tells its host keys, can not be read
            return Unreachable(why=_first_line(error))


def _not_yet(question: Question) -> Answer:
    """What is known of a node that has not answered so far."""
    if question.old:
        return Silent(age=question.age)
    return Unreachable(why="it has not answered yet", by_ssh=True)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no answer"])[0]


def is_usable(current: Instance | None) -> bool:
    """It has been set up, so that it has an agent to ask."""
    return bool(current and current.tags.get(READY))


def newest(instances: Sequence[Instance], record: NameRecord | None) -> Instance | None:
    """The instance whose agent's word counts: the one in the record, else the newest generation's."""

    def order(one: Instance) -> tuple[object, ...]:
        tag = one.tags.get(GENERATION, "")
        return (
            bool(record and one.id == record.born),
            not one.state.is_gone,
            int(tag) if tag.isdigit() else 0,
            one.id,
        )

    return max(instances, key=order) if instances else None
