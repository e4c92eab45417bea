"""Where a name with drives is launched: wait here, attach there or restore elsewhere, by time and price."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as some

from starcluster.model import InstanceState, Market, Pool
from starcluster.supervisor import actions as act
from starcluster.supervisor.case import Case
from starcluster.supervisor.drivewishes import DriveWish
from starcluster.supervisor.look import DriveLook, NameLook
from starcluster.supervisor.placing import places_of
from starcluster.supervisor.plan import decide
from starcluster.supervisor.wishes import Fallback, Wish
from tests.unit.supervisor.world import instance, known, look, record, wish

HERE, THERE = "us-east-1a", "us-east-1b"
GONE = InstanceState.TERMINATED
LOST = "Server.SpotInstanceTermination"


def pool(zone: str, market: Market = Market.SPOT, kind: str = "c5.large") -> Pool:
    return Pool(instance_type=kind, zone=zone, market=market)


PRICES = {pool(HERE): 0.03, pool(THERE): 0.031, pool(HERE, Market.ON_DEMAND): 0.085}


def asked(*drives: DriveWish, **more: object) -> Wish:
    return wish(drives=drives or (DriveWish(name="data", path="/data"),), **{"zones": (HERE, THERE), **more})


def drive(**facts: object) -> DriveLook:
    return DriveLook(**({"name": "data", "zone": HERE, "volume_id": "vol-1", "used": True, "size": 100} | facts))  # type: ignore[arg-type]


def lost(*drives: DriveLook, **more: object) -> NameLook:
    return known(instances=(instance(state=GONE, reason=LOST),), drives=drives or (drive(),), **more)


def now(
    case: NameLook, wanted: Wish | None = None, *, prices: Mapping[Pool, float] = PRICES, **more: object
) -> act.Action:
    return decide(wanted or asked(), look(case, prices=prices, **more))


def launched(case: NameLook, wanted: Wish | None = None, **more: object) -> act.Launch:
    found = now(case, wanted, **more)  # type: ignore[arg-type]
    assert isinstance(found, act.Launch), found
    return found


def test_the_volume_s_own_zone_is_best_and_the_reason_has_the_figures() -> None:
    found = launched(lost())
    assert (found.pool, found.generation, found.try_number) == (pool(HERE), 2, 1)
    assert found.because == (
        f"i-1 is gone ({LOST}); c5.large in us-east-1a in about 2 min for $0.03/h (data is there),"
        " rather than c5.large in us-east-1b in about 30 min for $0.031/h (data comes by a new snapshot)"
    )


def test_a_shortage_there_is_weighed_against_a_snapshot_elsewhere() -> None:
    shortage = {"avoid": {pool(HERE): 170.0}, "dry_for": {pool(HERE): 1200.0}}
    found = launched(lost(drive(whole=True, newest="snap-1")), **shortage)
    assert found.pool == pool(THERE)
    assert "data comes from snap-1), rather than c5.large in us-east-1a in about 30 min" in found.because
    assert "no capacity, perhaps for 20 min more" in found.because


def test_a_short_wait_is_better_than_a_long_way() -> None:
    whole = drive(whole=True, newest="snap-1")
    dear = {**PRICES, pool(THERE): 0.08}
    found = now(lost(whole), avoid={pool(HERE): 100.0}, prices=dear)
    assert isinstance(found, act.Wait)
    assert found.seconds <= 100
    assert (
        "c5.large in us-east-1a in about 5 min for $0.03/h (data is there, no capacity, perhaps for 2 min"
        in found.because
    )


def test_what_an_hour_is_worth_decides() -> None:
    whole, shortage = (
        drive(whole=True, newest="snap-1"),
        {"avoid": {pool(HERE): 170.0}, "prices": {**PRICES, pool(THERE): 0.05}},
    )
    assert isinstance(now(lost(whole), asked(hour_worth=0.5), **shortage), act.Wait)  # type: ignore[arg-type]
    assert launched(lost(whole), asked(hour_worth=50.0), **shortage).pool == pool(THERE)


def test_an_hour_is_worth_as_much_as_the_dearest_machine_where_nobody_says() -> None:
    whole, avoid = drive(whole=True, newest="snap-1"), {pool(HERE): 170.0}
    for on_demand, kind in ((0.085, act.Wait), (50.0, act.Launch)):
        prices = {**PRICES, pool(THERE): 0.05, pool(HERE, Market.ON_DEMAND): on_demand}
        assert isinstance(now(lost(whole), avoid=avoid, prices=prices), kind)


def test_a_much_cheaper_zone_is_worth_the_way() -> None:
    cheap = {**PRICES, pool(HERE): 0.084, pool(THERE): 0.02}
    assert launched(lost(drive(whole=True, newest="snap-1")), prices=cheap).pool == pool(THERE)


def test_a_price_that_is_not_known_is_no_low_price() -> None:
    some_unknown = {pool(HERE): 5.0}
    found = launched(lost(), prices=some_unknown)
    assert found.pool == pool(HERE)
    assert "$" not in found.because


def test_a_drive_that_rests_as_a_snapshot_or_is_new_comes_anywhere() -> None:
    for one in (
        drive(zone="", volume_id="", newest="snap-1"),
        drive(used=False, zone=""),
        drive(exists=False, zone=""),
    ):
        found = launched(lost(one), avoid={pool(HERE): 900.0})
        assert found.pool == pool(THERE)
    assert "data is made there" in launched(lost(drive(exists=False))).because
    assert "data comes from snap-1" in launched(lost(drive(zone="", newest="snap-1"))).because


def test_a_volume_at_a_dying_instance_takes_longer_than_one_that_was_detached() -> None:
    def words(case: NameLook) -> str:
        return launched(case).because.partition(", rather")[0]

    held = drive(holder="i-1")
    dying = instance(state=InstanceState.SHUTTING_DOWN, reason=LOST)
    assert "about 5 min" in words(lost(held))
    drained = known(record=record(drained=1), instances=(dying,), drives=(held,))
    assert "about 2 min" in words(drained)


def test_work_may_be_left_behind_where_the_user_says_so() -> None:
    held = drive(holder="i-1", newest="snap-1", newest_age=240.0)
    shortage = {"avoid": {pool(HERE): 3000.0}}
    assert "by a new snapshot" in launched(lost(held), **shortage).because
    lossy = asked(DriveWish(name="data", path="/data", may_lose=600))
    old = drive(holder="i-1", newest="snap-1", newest_age=30.0)
    assert "data comes from snap-1, 1 min old, 1 min of work lost" in launched(lost(old), lossy, **shortage).because
    too_old = drive(holder="i-1", newest="snap-1", newest_age=601.0)
    assert "by a new snapshot" in launched(lost(too_old), lossy, **shortage).because
    # what is allowed is what the set-up then does, also where a whole snapshot would be quicker than doing work again
    assert "data comes from snap-1, 5 min old, 5 min of work lost" in launched(lost(held), lossy, **shortage).because


def test_of_several_drives_the_slowest_counts() -> None:
    two = asked(DriveWish(name="data", path="/data"), DriveWish(name="big", path="/big"))
    found = launched(lost(drive(), drive(name="big", zone=THERE, size=5000)), two)
    assert found.pool == pool(THERE)
    assert "big is there" not in found.because.partition("rather")[0]


def test_a_drive_that_another_machine_has_is_the_user_s_to_free() -> None:
    for here in (lost(drive(holder="i-9", holder_lives=True)),):
        found = now(here)
        assert isinstance(found, act.Hold)
        assert "its drive data (vol-1) is in use by i-9" in found.because
        assert "starcluster drive detach data" in found.hint
    named = now(lost(drive(holder="i-9", holder_name="node001 of bio (i-9)", holder_lives=True)))
    assert "is in use by node001 of bio (i-9)" in named.because
    assert isinstance(now(lost(drive(holder="i-9"))), act.Launch), "a dead one gives it back by itself"
    assert isinstance(now(lost(drive(holder="i-1", holder_lives=True))), act.Launch)


def test_a_drive_whose_record_can_not_be_read_holds_its_own_name_only() -> None:
    found = now(lost(DriveLook(name="data", broken="schema 99 is newer\nupdate the program")))
    assert isinstance(found, act.Hold)
    assert found.because == "its drive data: schema 99 is newer"
    assert found.hint == "update the program"


def test_with_one_zone_the_sentence_is_short() -> None:
    assert launched(lost(), asked(zones=(HERE,))).because == f"i-1 is gone ({LOST})"
    found = now(lost(), asked(zones=(HERE,)), avoid={pool(HERE): 50.0})
    assert isinstance(found, act.Wait)
    assert "no capacity" in found.because


def test_while_it_waits_a_free_drive_is_kept() -> None:
    found = now(lost(drive(unsaved=True)), asked(zones=(HERE,)), avoid={pool(HERE): 50.0})
    assert found == act.KeepDrive(
        name="mynode", because="drive data: it is free, and no snapshot has all of it", drive="data"
    )


def test_the_full_price_only_where_no_spot_machine_is_free() -> None:
    fallback = asked(fallback=Fallback.ON_DEMAND, spot_max_wait=60, max_price=0.05)
    waited = lost(drive(), asking_for=61.0)
    assert launched(waited, fallback).pool == pool(HERE)
    assert launched(waited, fallback).max_price == 0.05
    # a free spot machine elsewhere is taken though waiting for the one here would be cheaper
    here_dry = {"avoid": {pool(HERE): 10.0}, "prices": {**PRICES, pool(THERE): 0.08}}
    assert launched(waited, fallback, **here_dry).pool == pool(THERE)
    dry = {"avoid": {pool(HERE): 500.0, pool(THERE): 500.0}}
    found = launched(waited, fallback, **dry)
    assert found.pool == pool(HERE, Market.ON_DEMAND)
    assert found.max_price is None


@pytest.mark.parametrize(
    ("one", "here", "there"),
    [
        (drive(exists=False, zone=""), 90.0, 90.0),
        (drive(used=False, zone=""), 90.0, 90.0),
        (drive(zone="", newest="snap-1"), 90.0, 90.0),
        (drive(), 10.0, 60.0 + 100 * 1024 / 100 + 90.0),
        (drive(newest="snap-1"), 10.0, 60.0 + 90.0),
        (drive(newest="snap-1", whole=True), 10.0, 90.0),
        (drive(newest="snap-1", holder="i-1"), 120.0 + 10.0, 120.0 + 60.0 + 90.0),
    ],
)
def test_the_seconds_until_a_drive_is_there(one: DriveLook, here: float, there: float) -> None:
    case = Case(asked(), lost(one), look(None, prices=PRICES))
    found = places_of(case, [pool(HERE), pool(THERE)])
    assert [place.bring for place in found] == [here, there]
    assert [place.delay for place in found] == [90.0 + here, 90.0 + there]
    assert [place.price for place in found] == [0.03, 0.031]
    assert found[0].cost(36.0) == pytest.approx((90.0 + here) / 100 + 0.03 * 4)


def test_a_drained_node_s_drive_is_free_in_seconds() -> None:
    dying = instance(state=InstanceState.SHUTTING_DOWN, reason=LOST)
    drained = known(record=record(drained=1), instances=(dying,), drives=(drive(holder="i-1"),))
    (found,) = places_of(Case(asked(), drained, look(None)), [pool(HERE)])
    assert (found.bring, found.price) == (10.0 + 10.0, None)


def test_what_is_left_behind_counts_as_delay() -> None:
    lossy = asked(DriveWish(name="data", path="/data", may_lose=40))
    old = lost(drive(holder="i-1", newest="snap-1", newest_age=40.0))
    (found,) = places_of(Case(lossy, old, look(None)), [pool(THERE)])
    assert (found.bring, found.lost, found.delay) == (90.0, 40.0, 90.0 + 90.0 + 40.0)


def test_how_long_a_shortage_is_reckoned_to_last() -> None:
    def wait(rest: float, dry: float) -> float:
        more = {"avoid": {pool(HERE): rest} if rest else {}, "dry_for": {pool(HERE): dry}}
        (found,) = places_of(Case(asked(), lost(), look(None, **more)), [pool(HERE)])
        return found.wait

    assert (wait(100.0, 20.0), wait(100.0, 900.0), wait(0.0, 900.0)) == (100.0, 900.0, 0.0)


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "1 min"), (121, "3 min"), (2700, "45 min"), (2701, "1 h"), (9000, "2 h")]
)
def test_spans_come_in_steps(seconds: float, words: str) -> None:
    found = now(lost(), asked(zones=(HERE,)), avoid={pool(HERE): seconds})
    assert f"perhaps for {words} more" in found.because


@given(
    dry=some.fixed_dictionaries({zone: some.sampled_from([0.0, 50.0, 5000.0]) for zone in (HERE, THERE)}),
    prices=some.lists(some.floats(0.001, 10), min_size=2, max_size=2),
    zone=some.sampled_from([HERE, THERE, ""]),
    whole=some.booleans(),
    worth=some.sampled_from([None, 0.01, 100.0]),
)
def test_it_is_never_launched_where_it_was_just_refused(
    dry: dict[str, float], prices: list[float], zone: str, whole: bool, worth: float | None
) -> None:
    """And always one or the other: an answer there is in any case."""
    one = drive(zone=zone, whole=whole, newest="snap-1")
    avoid = {pool(where): seconds for where, seconds in dry.items() if seconds}
    known_prices = {pool(HERE): prices[0], pool(THERE): prices[1]}
    found = now(lost(one), asked(hour_worth=worth), avoid=avoid, dry_for=avoid, prices=known_prices)
    if isinstance(found, act.Launch):
        assert found.pool not in avoid
    else:
        assert isinstance(found, act.Wait)
        assert avoid
