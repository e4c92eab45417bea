"""The parts that need no cloud: states, durations, pages, tokens, addresses, filters, jobs, prices."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from starcluster.localcloud.api import catalog, filters, paging
from starcluster.localcloud.api.addresses import Addresses, AddressesExhausted, private_dns, public_dns
from starcluster.localcloud.api.errors import Refusal
from starcluster.localcloud.api.jobs import Jobs
from starcluster.localcloud.api.market import Market, MarketKind, usual_price
from starcluster.localcloud.api.spotstates import (
    EVALUATED,
    FULFILLED,
    Cause,
    Code,
    RequestState,
    Status,
    cancelled,
    ended_by_user,
    interrupted,
    stopped,
)
from starcluster.localcloud.api.timing import Timing
from starcluster.localcloud.api.tokens import Tokens
from starcluster.localcloud.api.world import World
from starcluster.localcloud.dial import address_of
from tests.unit.localcloud.api.conftest import until


def pair(status: Status) -> tuple[str, str]:
    return status.state.value, status.code.value


@pytest.mark.parametrize(
    ("cause", "persistent", "stops", "expected"),
    [
        (Cause.CAPACITY, False, False, ("closed", "instance-terminated-no-capacity")),
        (Cause.PRICE, False, False, ("closed", "instance-terminated-by-price")),
        (Cause.CAPACITY, True, False, ("open", "instance-terminated-no-capacity")),
        (Cause.CAPACITY, True, True, ("active", "marked-for-stop")),
    ],
)
def test_interruption(cause: Cause, persistent: bool, stops: bool, expected: tuple[str, str]) -> None:
    assert pair(interrupted(FULFILLED, cause, persistent=persistent, stops=stops)) == expected


def test_other_events_of_a_request() -> None:
    running_on = cancelled(FULFILLED, has_instance=True)
    assert pair(running_on) == ("cancelled", "request-canceled-and-instance-running")
    assert pair(cancelled(EVALUATED, has_instance=False)) == ("cancelled", "canceled-before-fulfillment")
    assert interrupted(running_on, Cause.CAPACITY, persistent=False, stops=False) == running_on
    assert ended_by_user(running_on, persistent=True) == running_on
    assert pair(ended_by_user(FULFILLED, persistent=False)) == ("closed", "instance-terminated-by-user")
    assert pair(ended_by_user(FULFILLED, persistent=True)) == ("open", "instance-terminated-by-user")
    assert pair(stopped(FULFILLED, None)) == ("disabled", "instance-stopped-by-user")
    assert pair(stopped(FULFILLED, Cause.PRICE)) == ("disabled", "instance-stopped-by-price")
    closed = Status(state=RequestState.CLOSED, code=Code.NO_CAPACITY)
    assert cancelled(closed, has_instance=False) == closed


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_a_message(code: Code) -> None:
    assert Status(state=RequestState.OPEN, code=code).message.startswith(("Your", "There", "You"))


def test_speed_divides_the_clouds_time() -> None:
    slow, fast = Timing(speed=1), Timing(speed=100)
    assert slow.boot_to_ssh == 40
    assert fast.wall(fast.notice) == pytest.approx(1.2)
    assert slow.snapshot_time(5) == 25
    assert fast.forget == slow.forget == 3600


def test_pages_follow_the_last_item_told() -> None:
    items = [f"i{number:02}" for number in range(12)]
    shown, token = paging.page(items, {"MaxResults": 5}, key=str)
    assert shown == items[:5]
    without = [each for each in items if each != "i02"]
    shown, token = paging.page(without, {"MaxResults": 5, "NextToken": token}, key=str)
    assert shown == items[5:10]
    gone = [each for each in items if each != "i09"]
    shown, last = paging.page(gone, {"MaxResults": 5, "NextToken": token}, key=str)
    assert shown == items[10:]
    assert last is None


@pytest.mark.parametrize("token", ["x", "W10=", "WyJhIiwgMV0=", "é"])
def test_broken_page_tokens(token: str) -> None:
    with pytest.raises(Refusal) as caught:
        paging.page(["a"], {"NextToken": token}, key=str)
    assert caught.value.code == "InvalidNextToken"


def test_tokens() -> None:
    tokens = Tokens(World())
    call: dict[str, Any] = {"ClientToken": "t", "Size": 1}
    assert tokens.before("CreateVolume", call) is None
    tokens.after("CreateVolume", call, "vol-1")
    assert tokens.before("CreateVolume", {**call, "DryRun": False}) == "vol-1"
    assert tokens.before("RunInstances", {**call, "Size": 2}) is None
    assert tokens.before("CreateVolume", {"Size": 2}) is None
    with pytest.raises(Refusal) as caught:
        tokens.before("CreateVolume", {**call, "Size": 2})
    assert caught.value.code == "IdempotentParameterMismatch"
    with pytest.raises(Refusal):
        tokens.before("CreateVolume", {"ClientToken": "x" * 65})


def test_public_addresses_are_of_the_clouds_part() -> None:
    addresses = Addresses(part=63)
    assert addresses.public(set()) == "127.77.252.1"
    every = {addresses.public(set()) for _ in range(1022)}
    assert len(every) == 1022
    assert all(252 <= int(one.split(".")[2]) <= 255 for one in every)
    with pytest.raises(AddressesExhausted):
        addresses.public(every)


def test_addresses_come_in_order_and_do_not_come_back_at_once() -> None:
    addresses = Addresses()
    assert [addresses.public(set()) for _ in range(2)] == ["127.77.0.1", "127.77.0.2"]
    addresses.next_public = 1022
    assert addresses.public(set()) == "127.77.3.254"
    assert addresses.public({"127.77.0.1"}) == "127.77.0.2"
    small = "172.31.0.0/29"
    assert [addresses.private("s", small, set()) for _ in range(4)] == [
        "172.31.0.4",
        "172.31.0.5",
        "172.31.0.6",
        "172.31.0.4",
    ]
    with pytest.raises(AddressesExhausted):
        addresses.private("s", small, {"172.31.0.4", "172.31.0.5", "172.31.0.6"})


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.77.1.2", "127.77.1.2"),
        (public_dns("127.77.1.2"), "127.77.1.2"),
        (private_dns("172.31.0.4", "us-east-1"), "172.31.0.4"),
        ("ip-172-31-0-4", "172.31.0.4"),
    ],
)
def test_names_the_dialer_knows(host: str, address: str) -> None:
    assert address_of(host) == address


@pytest.mark.parametrize(
    "host",
    ["54.214.1.2", "127.0.0.1", "ec2-54-214-1-2.compute-1.amazonaws.com", "example.org", "127.77.1.2.example.org"],
)
def test_the_dialer_refuses_the_rest_of_the_world(host: str) -> None:
    with pytest.raises(ValueError, match="not an address of the local cloud"):
        address_of(host)


def test_filter_values() -> None:
    rows = [{"size": 1, "on": True}, {"size": 10, "on": False}]
    getters: dict[str, filters.Getter] = {"size": lambda row: row["size"], "on": lambda row: row["on"]}

    def find(**wanted: list[str]) -> list[int]:
        return [row["size"] for row in filters.apply(rows, wanted, getters, lambda row: {})]

    assert find(size=["1"]) == [1]
    assert find(size=["1*"]) == [1, 10]
    assert find(on=["false"]) == [10]
    assert find(on=["true"], size=["10"]) == []


def jobs() -> Jobs:
    return Jobs(threading.RLock(), {})


def test_jobs_run_when_due_and_leave_the_table() -> None:
    table, done = jobs(), list[str]()
    table.register("note", lambda subject: done.append(subject))
    now = time.time()
    table.at(now + 0.06, "note", "late")
    table.at(now, "note", "early")
    table.at(now + 3600, "note", "never")
    table.start()
    until(lambda: len(done) == 2)
    assert done == ["early", "late"]
    until(lambda: not table.is_pending("note", "late"))
    assert table.is_pending("note", "never")
    table.stop()


def test_a_job_can_ask_to_come_again_and_a_failing_one_harms_nobody() -> None:
    table, times = jobs(), list[float]()

    def again(subject: str) -> float | None:
        times.append(time.time())
        return 0.01 if len(times) < 3 else None

    def broken(subject: str) -> None:
        raise RuntimeError(subject)

    table.register("again", again)
    table.register("broken", broken)
    table.at(0, "broken", "b")
    table.at(0, "again", "a")
    table.start()
    until(lambda: len(times) == 3)
    until(lambda: not table.is_pending("again", "a") and not table.is_pending("broken", "b"))
    table.stop()


def test_one_job_of_a_subject_at_a_time() -> None:
    table, go, running = jobs(), threading.Event(), list[str]()

    def slow(subject: str) -> None:
        running.append(subject)
        go.wait(5)

    table.register("slow", slow)
    table.at(0, "slow", "s")
    table.start()
    until(lambda: running == ["s"])
    table.at(0, "slow", "s")
    assert running == ["s"]
    go.set()
    until(lambda: running == ["s", "s"])
    table.stop()


@pytest.mark.parametrize("name", ["m5.large", "t3.micro", "g5.xlarge", "p5.48xlarge", "x1.32xlarge"])
def test_every_type_has_a_plausible_price(name: str) -> None:
    on_demand = catalog.on_demand_price(name)
    assert 0.004 < on_demand < 500
    assert usual_price(name, "us-east-1f") < on_demand


def test_capacity_is_what_a_pool_can_hold() -> None:
    market = Market()
    assert market.room("m5.large", "us-east-1a", MarketKind.SPOT, alive=5) is None
    market.set_capacity("m5.large", "us-east-1a", MarketKind.SPOT, 3)
    assert market.room("m5.large", "us-east-1a", MarketKind.SPOT, alive=1) == 2
    assert market.room("m5.large", "us-east-1a", MarketKind.SPOT, alive=5) == 0
    assert market.room("m5.large", "us-east-1a", MarketKind.ON_DEMAND, alive=5) is None
