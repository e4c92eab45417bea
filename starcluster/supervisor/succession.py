"""What is done for a successor: its launch, its preparation, the change of the name to it.

Its troubles are its own: the name works elsewhere meanwhile, and is neither paused nor given up for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from starcluster import exception, names
from starcluster.aws.errors import launch_verdict
from starcluster.cluster.namerecord import Intent, NameRecord, NameRecords, Successor
from starcluster.cluster.record import GENERATION
from starcluster.logger import log
from starcluster.model import Instance, LaunchRequest, Verdict
from starcluster.supervisor import actions as act
from starcluster.supervisor.case import LAG_LIMIT
from starcluster.supervisor.intents import new_intent
from starcluster.supervisor.journal import Journal
from starcluster.supervisor.look import NameLook
from starcluster.supervisor.memory import Memory
from starcluster.supervisor.setups import SetUps
from starcluster.supervisor.wishes import Wish

OTHER_WORDS = "IdempotentParameterMismatch"
ONCE_IN = 3600.0  # EC2's seconds; where every instance is at risk, replacing does not help
_REPLACED = "replaced"


class Machines(Protocol):
    """What a launch needs of supervisor/machines.py."""

    def group_id(self) -> str: ...
    def launch_request(self, *, alias: str, intent: Intent, tags: dict[str, str]) -> LaunchRequest: ...


def key_of(name: str) -> str:
    """Under which the driver remembers the troubles of a name's successor."""
    return f"the successor of {names.fold(name)}"


def successor_facts(
    folded: str,
    record: NameRecord | None,
    mine: Sequence[Instance],
    memory: Memory,
    busy: Mapping[str, str],
    age: Callable[[datetime], float],
    passed: float,
) -> dict[str, Any]:
    """The part of a look that is about the successor.

    `age`: EC2's seconds since a moment, by the wall clock; `passed`: since the instances were read.
    """
    if record is None:
        return {}
    later = [one for one in mine if _generation(one) > record.generation and one.state.is_alive]
    heir = record.successor
    strays = [one.id for one in later if heir is None or one.id != heir.born]
    facts: dict[str, Any] = {
        "stray_for": min((memory.since("stray", one) for one in strays), default=0.0),
        "successor_pause": memory.pause(key_of(folded))[0],
        "replaced_lately": (_REPLACED, folded) in memory.avoided_acts(),
    }
    if heir is None:
        return facts
    since = memory.since("successor", folded, heir.at.isoformat(), already=age(heir.at))
    prepared = [words[1] for words in memory.avoided_acts() if words[0] == "prepared"]
    token = heir.intent.token if heir.intent else ""
    found = [one.id for one in mine if one.id == heir.born or (token and one.client_token == token)]
    return {
        **facts,
        "successor_age": max(0.0, memory.unchanged(("successor", folded), f"{token} {heir.born}") - passed),
        "successor_busy": any(one in busy or one in prepared for one in found),
        "successor_failures": max((memory.set_up_failures.get(one, 0) for one in found), default=0),
        "replaced_lately": facts["replaced_lately"] or (bool(heir.born) and since < ONCE_IN),
    }


def _generation(instance: Instance) -> int:
    tag = instance.tags.get(GENERATION, "")
    return int(tag) if tag.isdigit() else 0


class Succession:
    """`fresh(wish)`: the record at this moment; raises TransientError when another driver has the name."""

    def __init__(
        self,
        *,
        ec2: Any,
        records: NameRecords,
        machines: Machines,
        memory: Memory,
        journal: Journal,
        set_ups: SetUps,
        fresh: Callable[[Wish], NameRecord],
        now: Callable[[], datetime],
    ) -> None:
        self._ec2, self._records, self._machines = ec2, records, machines
        self._memory, self._journal, self._set_ups = memory, journal, set_ups
        self._fresh, self._now = fresh, now

    def launch(self, action: act.LaunchSuccessor, wish: Wish, known: NameLook) -> None:
        self._try(wish, lambda: self._launch(action, wish, known))

    def replay(self, action: act.ReplaySuccessor, wish: Wish, known: NameLook) -> None:
        self._try(wish, lambda: self._replay(wish, known))

    def prepare(self, action: act.Prepare, wish: Wish, known: NameLook) -> None:
        instance = next((one for one in known.instances if one.id == action.instance_id), None)
        if instance is not None:
            self._set_ups.prepare(instance, wish, plugins=action.plugins, trouble=key_of(wish.name))

    def succeed(self, action: act.Succeed, wish: Wish, known: NameLook) -> None:
        """The change, by one call: before it the name is the old instance's, after it the successor's."""
        record = self._fresh(wish)
        heir = record.successor
        if heir is None or heir.generation != action.generation or _moved(record, known):
            return
        self._records.change(
            record,
            generation=heir.generation,
            try_number=heir.try_number,
            intent=heir.intent,
            born=heir.born,
            asking_since=None,
        )
        self._journal.add(wish.name, "succeeded", instance=heir.born, generation=heir.generation)

    def _try(self, wish: Wish, doing: Callable[[], None]) -> None:
        """Credentials are everybody's trouble; any other one lets only the successor wait."""
        try:
            doing()
        except exception.CredentialsError:
            raise
        except exception.BaseException as error:
            count = self._memory.back_off(key_of(wish.name), str(error).splitlines()[0])
            self._journal.add(wish.name, "trouble", error=str(error), times=count)
            if count == 1:
                log.warning("%s: its replacement has to wait, and it works on: %s", wish.name, error.explain())
        else:
            if not self._memory.pause(key_of(wish.name))[0]:
                self._memory.went_well(key_of(wish.name))

    def _launch(self, action: act.LaunchSuccessor, wish: Wish, known: NameLook) -> None:
        record = self._fresh(wish)
        if _moved(record, known) or action.pool in self._memory.avoided():
            return  # look again
        intent = new_intent(action, record, wish, group_id=self._machines.group_id(), at=self._now())
        before = record.successor
        heir = Successor(
            generation=action.generation,
            try_number=action.try_number,
            at=before.at if before and before.generation == action.generation else intent.at,
            intent=intent,
        )
        kept = self._records.change(record, successor=heir).successor
        self._ask(kept or heir, intent, wish, known)  # `_write` compares it with what is read

    def _replay(self, wish: Wish, known: NameLook) -> None:
        record = self._fresh(wish)
        heir = record.successor
        if heir is not None and heir.intent is not None and not heir.born and not _moved(record, known):
            self._ask(heir, heir.intent, wish, known)

    def _ask(self, heir: Successor, intent: Intent, wish: Wish, known: NameLook) -> None:
        tags = {**wish.tags, GENERATION: str(heir.generation)}
        pool = intent.pool
        self._journal.add(
            wish.name,
            "request",
            generation=heir.generation,
            instance_type=pool.instance_type,
            zone=pool.zone,
            market=pool.market,
            successor=True,
        )
        try:
            request = self._machines.launch_request(alias=wish.name, intent=intent, tags=tags)
            made = self._ec2.instances.launch(request)[0].id
        except exception.TokenSpent as error:
            made = self._find_by_token(intent, error, known.successor_age)
        except (exception.TransientError, exception.CredentialsError):
            raise
        except exception.BaseException as error:
            self._write(wish, heir, intent=None)
            self._refused(intent, wish, error)
            return
        if not made:
            self._write(wish, heir, intent=None)
            return
        self._memory.forget_news(key_of(wish.name))
        self._write(wish, heir, born=made)
        self._journal.add(wish.name, "launched", instance=made, generation=heir.generation, successor=True)

    def _write(self, wish: Wish, heir: Successor, **facts: Any) -> None:
        """What came of it, but not over what another driver has written while this one slept in the call.

        An instance that was asked for so late is ended by who has the name: the record does not know it.
        """
        record = self._fresh(wish)
        if record.successor != heir:
            raise exception.TransientError(f"another driver has gone on with {wish.name} meanwhile")
        self._records.change(record, successor=replace(heir, **facts))

    def _find_by_token(self, intent: Intent, error: exception.TokenSpent, age: float) -> str:
        """The id of the instance that the token was spent on, "" when there is none."""
        found = self._ec2.instances.find(token=intent.token)
        if not found and error.code == OTHER_WORDS and age < LAG_LIMIT:
            raise exception.TransientError("EC2 does not show the replacement that was launched yet", code=error.code)
        return str(found[0].id) if found else ""

    def _refused(self, intent: Intent, wish: Wish, error: exception.BaseException) -> None:
        """Told once; after a shortage other pools are asked, after any other refusal nobody for a while."""
        code, folded = getattr(error, "code", ""), names.fold(wish.name)
        self._journal.add(wish.name, "refused", code=code, error=str(error), successor=True)
        verdict = launch_verdict(code)
        if isinstance(error, exception.ShortageError) or verdict is Verdict.ELSEWHERE:
            self._memory.avoid(intent.pool)
        elif isinstance(error, exception.AWSError) and verdict is not Verdict.TELL_USER:
            raise error
        else:
            self._memory.leave_alone(_REPLACED, folded, seconds=ONCE_IN)
        if self._memory.is_news(key_of(wish.name), intent.pool, code):
            log.warning("%s: no replacement is to be had now, so it works on: %s", wish.name, error.explain())


def _moved(record: NameRecord, known: NameLook) -> bool:
    """The record is not what the act was planned by: another driver was here, or the look was late."""
    then = known.record

    def facts(one: NameRecord) -> tuple[object, ...]:
        return (one.generation, one.born, one.drained, one.outcome, one.successor)

    return then is None or facts(record) != facts(then)
