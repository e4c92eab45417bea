"""The states of a spot request and the events that change them, as EC2's life cycle page has them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RequestState(StrEnum):
    OPEN = "open"
    ACTIVE = "active"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    DISABLED = "disabled"

    @property
    def is_final(self) -> bool:
        return self in (RequestState.CLOSED, RequestState.CANCELLED, RequestState.FAILED)


class Code(StrEnum):
    """Status codes; their spelling is EC2's."""

    PENDING_EVALUATION = "pending-evaluation"
    PENDING_FULFILLMENT = "pending-fulfillment"
    FULFILLED = "fulfilled"
    CAPACITY_NOT_AVAILABLE = "capacity-not-available"
    PRICE_TOO_LOW = "price-too-low"
    BAD_PARAMETERS = "bad-parameters"
    SCHEDULE_EXPIRED = "schedule-expired"
    CANCELED_BEFORE = "canceled-before-fulfillment"
    CANCELED_RUNNING = "request-canceled-and-instance-running"
    MARKED_STOP = "marked-for-stop"
    MARKED_TERMINATION = "marked-for-termination"
    NO_CAPACITY = "instance-terminated-no-capacity"
    BY_PRICE = "instance-terminated-by-price"
    BY_USER = "instance-terminated-by-user"
    BY_SERVICE = "instance-terminated-by-service"
    STOPPED_NO_CAPACITY = "instance-stopped-no-capacity"
    STOPPED_BY_PRICE = "instance-stopped-by-price"
    STOPPED_BY_USER = "instance-stopped-by-user"


MESSAGES = {
    Code.PENDING_EVALUATION: "Your Spot request has been submitted for review, and is pending evaluation.",
    Code.PENDING_FULFILLMENT: "Your Spot request is pending fulfillment.",
    Code.FULFILLED: "Your Spot request is fulfilled.",
    Code.CAPACITY_NOT_AVAILABLE: "There is no Spot capacity available that matches your request.",
    Code.PRICE_TOO_LOW: "Your Spot request's maximum price is lower than the Spot price.",
    Code.BAD_PARAMETERS: "Your Spot request failed due to bad parameters.",
    Code.SCHEDULE_EXPIRED: "Your Spot request expired before it was fulfilled.",
    Code.CANCELED_BEFORE: "Your Spot request was canceled before it was fulfilled.",
    Code.CANCELED_RUNNING: "Your Spot request was canceled, but your instance is still running.",
    Code.MARKED_STOP: "Your Spot Instance is marked for stop.",
    Code.MARKED_TERMINATION: "Your Spot Instance is marked for termination.",
    Code.NO_CAPACITY: "Your Spot Instance was terminated because there is no longer Spot capacity available.",
    Code.BY_PRICE: "Your Spot Instance was terminated because the Spot price exceeded your maximum price.",
    Code.BY_USER: "You terminated your Spot Instance.",
    Code.BY_SERVICE: "Your Spot Instance was terminated from the stopped state.",
    Code.STOPPED_NO_CAPACITY: "Your Spot Instance was stopped because there is no longer Spot capacity available.",
    Code.STOPPED_BY_PRICE: "Your Spot Instance was stopped because the Spot price exceeded your maximum price.",
    Code.STOPPED_BY_USER: "You stopped your Spot Instance.",
}


@dataclass(frozen=True, kw_only=True)
class Status:
    """Where a request stands."""

    state: RequestState
    code: Code

    @property
    def message(self) -> str:
        return MESSAGES[self.code]


FULFILLED = Status(state=RequestState.ACTIVE, code=Code.FULFILLED)
EVALUATED = Status(state=RequestState.OPEN, code=Code.PENDING_EVALUATION)
GRANTED = Status(state=RequestState.OPEN, code=Code.PENDING_FULFILLMENT)


class Cause(StrEnum):
    """Why the market takes an instance."""

    CAPACITY = "capacity"
    PRICE = "price"


def interrupted(now: Status, cause: Cause, *, persistent: bool, stops: bool) -> Status:
    """After the notice was given: the instance still runs.

    A request whose instance will be terminated takes its last code at once; one whose instance will be
    stopped is marked until it is.
    """
    if now.state is not RequestState.ACTIVE:
        return now  # it was cancelled, and its instance merely lives on
    if stops:
        return Status(state=RequestState.ACTIVE, code=Code.MARKED_STOP)
    code = Code.BY_PRICE if cause is Cause.PRICE else Code.NO_CAPACITY
    return Status(state=RequestState.OPEN if persistent else RequestState.CLOSED, code=code)


def stopped(now: Status, cause: Cause | None) -> Status:
    """The instance has stopped; `cause` None means by its user."""
    if now.state is not RequestState.ACTIVE:
        return now
    codes = {None: Code.STOPPED_BY_USER, Cause.PRICE: Code.STOPPED_BY_PRICE, Cause.CAPACITY: Code.STOPPED_NO_CAPACITY}
    return Status(state=RequestState.DISABLED, code=codes[cause])


def ended_by_user(now: Status, *, persistent: bool) -> Status:
    """The instance was terminated by the account, by itself or by a fault."""
    if now.state not in (RequestState.ACTIVE, RequestState.DISABLED):
        return now
    return Status(state=RequestState.OPEN if persistent else RequestState.CLOSED, code=Code.BY_USER)


def cancelled(now: Status, *, has_instance: bool) -> Status:
    """The request was cancelled. A closed one stays as it is."""
    if now.state in (RequestState.CLOSED, RequestState.FAILED, RequestState.CANCELLED):
        return now
    code = Code.CANCELED_RUNNING if has_instance else Code.CANCELED_BEFORE
    return Status(state=RequestState.CANCELLED, code=code)
