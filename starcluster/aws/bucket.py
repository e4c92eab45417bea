"""How fast EC2 is called: the token buckets of EC2's own throttling, kept on this side, and one back-off for all.

EC2 gives an account in a region so many calls at once and so many a second, by kinds of calls (the EC2 API's page on
request throttling; the numbers are its defaults). Who asks faster is refused, with all other programs of the account.
Every try of every call passes `Limiter.enter`, also botocore's own retries: it is called by botocore itself.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from starcluster.aws.errors import is_throttle
from starcluster.clock import Clock
from starcluster.logger import log

FIRST_HOLD = 1.0  # EC2's seconds in which nothing is asked, after EC2 said that it was too much; doubled each time
LONGEST_HOLD = 60.0

Rate = tuple[float, float]  # calls at once, calls a second
_READS: Rate = (100, 20)
_CHANGES: Rate = (50, 5)
_COSTLY: Rate = (50, 5)
_READING = ("Describe", "Get", "List", "Search")
_COSTLY_CALLS = frozenset(
    {
        "AuthorizeSecurityGroupIngress",
        "CancelSpotInstanceRequests",
        "CreateKeyPair",
        "RequestSpotInstances",
        "RevokeSecurityGroupIngress",
    }
)
_OWN: Mapping[str, Rate] = {
    "RunInstances": (5, 2),
    "StartInstances": (5, 2),
    "CreateTags": (100, 10),
    "DeleteTags": (100, 10),
    "CreateLaunchTemplateVersion": (100, 5),
    "CreateNetworkInterface": (100, 5),
    "CreateSnapshot": (100, 5),
    "CreateVolume": (100, 5),
    "DeleteSnapshot": (100, 5),
    "DeleteVolume": (100, 5),
    "ModifyInstanceMetadataOptions": (100, 5),
    "TerminateInstances": (100, 5),
}


def rate_of(operation: str) -> tuple[str, Rate]:
    """The bucket that a call draws from, by name, and how that is filled."""
    if operation in _OWN:
        return operation, _OWN[operation]
    if operation in _COSTLY_CALLS:
        return "costly", _COSTLY
    return ("reads", _READS) if operation.startswith(_READING) else ("changes", _CHANGES)


class Bucket:
    """Tokens for calls. Who takes one that is not there yet is told how long to wait: first come, first served."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._size, self._refill = rate
        self._tokens, self._at = self._size, now

    def take(self, now: float) -> float:
        """Take a token; the seconds until it may be used."""
        self._fill(now)
        self._tokens -= 1
        return max(0.0, -self._tokens / self._refill)

    def spill(self, now: float) -> None:
        """EC2 reckons that there are none."""
        self._fill(now)
        self._tokens = min(self._tokens, 0.0)

    def _fill(self, now: float) -> None:
        self._tokens = min(self._size, self._tokens + max(now - self._at, 0.0) * self._refill)
        self._at = now


class Limiter:
    """All calls of this process to one EC2."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, Bucket] = {}
        self._row = 0  # refusals for speed without a success between
        self._hold = 0.0  # the moment until which nothing is asked

    def enter(self, operation: str) -> None:
        """Wait until this call may be made."""
        seconds = self._pause(operation)
        if seconds > 0:
            log.debug("%s waits %.1f s, EC2 takes no more at once", operation, seconds)
            self._clock.sleep(seconds)

    def _pause(self, operation: str) -> float:
        with self._lock:
            now = self._clock.monotonic()
            return max(self._bucket(operation, now).take(now), self._hold - now)

    def _bucket(self, operation: str, now: float) -> Bucket:
        name, rate = rate_of(operation)
        return self._buckets.setdefault(name, Bucket(rate, now))

    def heard(self, operation: str, code: str) -> None:
        """EC2's answer: a refusal for speed holds everything back, for longer each time in a row."""
        with self._lock:
            now = self._clock.monotonic()
            if not is_throttle(code):
                self._row = self._row if code else 0
                return
            self._bucket(operation, now).spill(now)
            if now < self._hold:
                return  # it was under way before the hold
            self._hold = now + min(FIRST_HOLD * 2**self._row, LONGEST_HOLD)
            self._row += 1
        log.debug("%s: %s; nothing is asked for %.0f s", operation, code, self._hold - now)

    def attach(self, client: Any) -> None:
        """Let every try of every call of this botocore client pass here, before it is signed."""

        def before(operation_name: str, **_: Any) -> None:
            self.enter(operation_name)

        def after(event_name: str, parsed_response: Mapping[str, Any] | None, **_: Any) -> None:
            answer = parsed_response or {}
            if parsed_response is not None:
                self.heard(event_name.rpartition(".")[2], str(answer.get("Error", {}).get("Code", "")))

        client.meta.events.register_first("request-created.ec2", before)
        client.meta.events.register("response-received.ec2", after)


_limiters: dict[tuple[object, ...], Limiter] = {}
_lock = threading.Lock()


def limiter_for(*account: object, scale: float) -> Limiter:
    """The one limiter that this process has for an account's EC2 (its region, endpoint, credentials)."""
    with _lock:
        return _limiters.setdefault((*account, scale), Limiter(Clock(scale)))
