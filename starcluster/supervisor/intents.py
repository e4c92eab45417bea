"""From a launch that was planned to the words that EC2 is asked with."""

from __future__ import annotations

from datetime import datetime

from starcluster import names
from starcluster.cluster.namerecord import Intent, NameRecord
from starcluster.supervisor import actions as act
from starcluster.supervisor.look import NameLook
from starcluster.supervisor.wishes import Wish


def new_intent(
    action: act.Launch | act.LaunchSuccessor, record: NameRecord, wish: Wish, *, group_id: str, at: datetime
) -> Intent:
    """The intent with its token, which is the same for whoever plans the same launch."""
    token = names.launch_token(
        owner=f"{group_id}/{record.template_id}",  # a record made anew has tokens of its own
        alias=wish.name,
        generation=action.generation,
        attempt=action.try_number,
    )
    return Intent(token=token, pool=action.pool, at=at, max_price=action.max_price)


def token_of(record: NameRecord) -> str:
    return record.intent.token if record.intent else ""


def generation_and_intent(known: NameLook) -> tuple[int, Intent | None]:
    """What a launch was planned by."""
    record = known.record
    return (record.generation, record.intent) if record else (0, None)
