"""A name's own launch: asked for by the intent that is written down first, and what EC2 answers to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from starcluster import exception
from starcluster.aws.errors import counts_instances, launch_verdict
from starcluster.cluster.namerecord import Intent, NameRecord, NameRecords
from starcluster.cluster.record import GENERATION
from starcluster.logger import log
from starcluster.model import Verdict
from starcluster.supervisor import actions as act
from starcluster.supervisor.case import LAG_LIMIT
from starcluster.supervisor.intents import generation_and_intent, new_intent, token_of
from starcluster.supervisor.journal import Journal
from starcluster.supervisor.look import NameLook
from starcluster.supervisor.memory import Memory
from starcluster.supervisor.succession import OTHER_WORDS, Machines
from starcluster.supervisor.wishes import Wish

_QUOTA_SETTLES = 900.0  # EC2's seconds for which an instance that has ended may still count in a quota


class Launches:
    """`fresh(wish)`: the record at this moment; raises TransientError when another driver has the name.

    `trouble`: it passes by itself, and the name pauses; `complain`: the user must act.
    """

    def __init__(
        self,
        *,
        ec2: Any,
        records: NameRecords,
        machines: Machines,
        memory: Memory,
        journal: Journal,
        fresh: Callable[[Wish], NameRecord],
        now: Callable[[], datetime],
        trouble: Callable[[Wish, exception.BaseException], None],
        complain: Callable[[Wish, exception.BaseException], None],
    ) -> None:
        self._ec2, self._records, self._machines = ec2, records, machines
        self._memory, self._journal = memory, journal
        self._fresh, self._now = fresh, now
        self._trouble, self._complain = trouble, complain

    def launch(self, action: act.Launch, wish: Wish, known: NameLook) -> None:
        record = self._fresh(wish)
        if (record.generation, record.intent) != generation_and_intent(known):
            return  # the record has moved since the look; look again
        if action.pool in self._memory.avoided():
            return  # another name has just been refused there; look again
        intent = new_intent(action, record, wish, group_id=self._machines.group_id(), at=self._now())
        anew = action.generation != record.generation
        since = intent.at if anew else record.asking_since or intent.at
        record = self._records.change(
            record,
            generation=action.generation,
            try_number=action.try_number,
            intent=intent,
            asking_since=since,
            born="",
        )
        self._ask(self._still(record, wish), intent, wish, known)

    def _still(self, record: NameRecord, wish: Wish) -> NameRecord:
        """The record again, if it is about the same intent: this process may have slept, and another driver gone on.

        Then what was asked for late is not written over that: whoever has the name now adopts it, or ends it.
        """
        now = self._fresh(wish)
        if token_of(now) != token_of(record):
            raise exception.TransientError(f"another driver has gone on with {wish.name} meanwhile")
        return now

    def replay(self, action: act.Replay, wish: Wish, known: NameLook) -> None:
        record = self._fresh(wish)
        if record.intent is not None and not record.born:
            self._ask(record, record.intent, wish, known)

    def _ask(self, record: NameRecord, intent: Intent, wish: Wish, known: NameLook) -> None:
        """Ask EC2 by the intent that is written down; a plain refusal takes the intent back."""
        tags = {**wish.tags, GENERATION: str(record.generation)}
        pool = intent.pool
        place: dict[str, Any] = {"instance_type": pool.instance_type, "zone": pool.zone, "market": pool.market}
        self._journal.add(wish.name, "request", generation=record.generation, **place)
        try:
            request = self._machines.launch_request(alias=wish.name, intent=intent, tags=tags)
            launched = self._ec2.instances.launch(request)
        except exception.TokenSpent as error:
            self._find_by_token(record, intent, wish, error, known.intent_age)
        except (exception.TransientError, exception.CredentialsError):
            raise
        except exception.BaseException as error:
            self._refused(record, intent, wish, error, known)
        else:
            self._memory.sights.note(launched)
            self._launched(record, intent, wish, launched[0].id)

    def _launched(self, record: NameRecord, intent: Intent, wish: Wish, instance_id: str) -> None:
        self._memory.forget_news(wish.name)
        self._memory.gave(intent.pool)
        self._records.change(self._still(record, wish), born=instance_id, asking_since=None)
        self._journal.add(wish.name, "launched", instance=instance_id, generation=record.generation)

    def _find_by_token(
        self, record: NameRecord, intent: Intent, wish: Wish, error: exception.TokenSpent, age: float
    ) -> None:
        """The token is spent: on an instance that we have not seen yet, or on a call with other words.

        With other words (the wish has changed since) its instance may live and not be shown yet: it is waited for.
        """
        found = self._ec2.instances.find(token=intent.token)
        if found:
            self._launched(record, intent, wish, found[0].id)
        elif error.code == OTHER_WORDS and age < LAG_LIMIT:
            raise exception.TransientError(f"EC2 does not show what was launched for {wish.name} yet", code=error.code)
        else:
            self._records.change(self._still(record, wish), intent=None)

    def _refused(
        self, record: NameRecord, intent: Intent, wish: Wish, error: exception.BaseException, known: NameLook
    ) -> None:
        self._records.change(self._still(record, wish), intent=None)
        code = getattr(error, "code", "")
        self._journal.add(wish.name, "refused", code=code, error=str(error))
        if isinstance(error, exception.ShortageError) or launch_verdict(code) is Verdict.ELSEWHERE:
            self._memory.avoid(intent.pool)
            if self._memory.is_news(wish.name, intent.pool, code):
                log.warning("%s: %s", wish.name, error.explain())
        elif _counts_the_dying(code, known):
            self._trouble(wish, exception.TransientError(f"{error.msg}; the old instance still counts in the quota"))
        elif isinstance(error, exception.AWSError) and launch_verdict(code) is not Verdict.TELL_USER:
            raise error
        else:
            self._complain(wish, error)


def _counts_the_dying(code: str, known: NameLook) -> bool:
    """A quota that our own last instance still fills: it is on its way out, or has just gone."""
    settling = known.asking_for < _QUOTA_SETTLES
    return counts_instances(code) and settling and bool(known.instances)
