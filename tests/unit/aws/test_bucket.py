"""Calls keep within EC2's token buckets, and one refusal for speed holds all of them back."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from botocore.awsrequest import AWSResponse
from hypothesis import given
from hypothesis import strategies as st

from starcluster import exception
from starcluster.aws.api import Api
from starcluster.aws.bucket import Bucket, Limiter, limiter_for, rate_of
from tests.fakes.clock import StepClock


@given(
    size=st.integers(1, 20),
    refill=st.floats(0.5, 20),
    gaps=st.lists(st.one_of(st.just(0.0), st.floats(0, 30)), min_size=1, max_size=60),
)
def test_never_more_than_the_bucket_and_its_refill_in_any_window(size: int, refill: float, gaps: list[float]) -> None:
    now, used = 0.0, []
    bucket = Bucket((size, refill), now)
    for gap in gaps:
        now += gap
        used.append(now + bucket.take(now))
    assert used == sorted(used), "first come, first served"
    for first in range(len(used)):
        for last in range(first, len(used)):
            assert last - first + 1 <= size + refill * (used[last] - used[first]) + 1e-6


@given(gaps=st.lists(st.floats(0, 5), min_size=1, max_size=60))
def test_a_call_waits_no_longer_than_it_must(gaps: list[float]) -> None:
    now, tokens = 0.0, 5.0
    bucket = Bucket((5, 2), now)
    for gap in gaps:
        now += gap
        tokens = min(5.0, tokens + 2 * gap) - 1
        assert bucket.take(now) == pytest.approx(max(0.0, -tokens / 2))


@pytest.mark.parametrize(
    ("operation", "rate"),
    [
        ("RunInstances", (5, 2)),
        ("StartInstances", (5, 2)),
        ("DescribeInstances", (100, 20)),
        ("GetConsoleOutput", (100, 20)),
        ("CreateTags", (100, 10)),
        ("TerminateInstances", (100, 5)),
        ("CancelSpotInstanceRequests", (50, 5)),
        ("AttachVolume", (50, 5)),
        ("CreateLaunchTemplate", (50, 5)),
    ],
)
def test_rates(operation: str, rate: tuple[float, float]) -> None:
    assert rate_of(operation)[1] == rate


def test_launches_have_a_bucket_of_their_own() -> None:
    clock = StepClock(1000.0)
    limiter = Limiter(clock)
    for _ in range(25):
        limiter.enter("RunInstances")
    assert clock.time == pytest.approx(1010)
    limiter.enter("DescribeInstances")
    limiter.enter("StartInstances")
    assert clock.time == pytest.approx(1010)


def test_a_refusal_holds_everything_back_longer_each_time_in_a_row() -> None:
    clock = StepClock(1000.0)
    limiter = Limiter(clock)
    waited = []
    for _ in range(8):
        before = clock.time
        limiter.heard("DescribeInstances", "RequestLimitExceeded")
        limiter.heard("DescribeVolumes", "RequestLimitExceeded")  # was under way: the same trouble
        limiter.enter("AttachVolume")
        waited.append(round(clock.time - before))
    assert waited == [1, 2, 4, 8, 16, 32, 60, 60]
    limiter.heard("AttachVolume", "VolumeInUse")  # says nothing of speed
    limiter.heard("AttachVolume", "")
    limiter.heard("DescribeInstances", "RequestLimitExceeded")
    before = clock.time
    limiter.enter("RunInstances")
    assert clock.time - before == pytest.approx(1)


def test_a_refused_kind_of_call_has_no_tokens_left() -> None:
    clock = StepClock(1000.0)
    limiter = Limiter(clock)
    limiter.heard("RunInstances", "RequestLimitExceeded")
    for _ in range(5):
        limiter.enter("RunInstances")
    assert clock.time == pytest.approx(1002.5)


def test_there_is_one_limiter_for_an_account() -> None:
    assert limiter_for("r", "e", scale=1.0) is limiter_for("r", "e", scale=1.0)
    assert limiter_for("r", "e", scale=1.0) is not limiter_for("r", "other", scale=1.0)


def access(endpoint: str, **more: object) -> SimpleNamespace:
    facts = {"region": "us-east-1", "access_key": "AKIA", "secret_key": "s", "session_token": None, "profile": None}
    return SimpleNamespace(
        **facts, endpoint_url=endpoint, public=False, proxies=None, verify=True, clock_scale=1e6, **more
    )


def answer(status: int, body: str) -> AWSResponse:
    class Raw:
        def stream(self):  # type: ignore[no-untyped-def]
            yield body.encode()

    return AWSResponse("http://x", status, {}, Raw())


REFUSED = "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>m</Message></Error></Errors></Response>"


def test_every_try_of_every_call_passes_the_limiter_before_it_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(Limiter, "enter", lambda self, operation: seen.append(f"enter {operation}"))
    monkeypatch.setattr(Limiter, "heard", lambda self, operation, code: seen.append(f"heard {operation} {code}"))
    api = Api(access("http://127.0.0.1:1/a"))  # type: ignore[arg-type]
    for attempts in (1, 5, 6):
        client = api.client("ec2", attempts)
        client.meta.events.register("before-sign.ec2", lambda **_: seen.append("sign"))
        client.meta.events.register("before-send.ec2", lambda **_: answer(503, REFUSED))
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(exception.TransientError):
        api.launch("run_instances", what="x", MinCount=1, MaxCount=1)
    assert seen == ["enter RunInstances", "sign", "heard RunInstances RequestLimitExceeded"]
    seen.clear()
    with pytest.raises(exception.TransientError):
        api.pages("describe_instances", "Reservations", what="x")
    assert seen[::3] == ["enter DescribeInstances"] * 6
    assert len(seen) == 18


def test_threads_share_the_tokens() -> None:
    limiter = Limiter(StepClock(1000.0))
    pauses: list[float] = []
    threads = [threading.Thread(target=lambda: pauses.append(limiter._pause("RunInstances"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(pauses) == pytest.approx([0.0] * 5 + [0.5 * number for number in range(1, 16)])
