"""Which snapshots stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starcluster import exception
from starcluster.cluster.drives.retention import Keep, Kept, Period, read_keep, to_remove

NOW = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)


def taken(*hours_ago: float) -> list[Kept]:
    return [Kept(id=f"snap-{hours:g}", at=NOW - timedelta(hours=hours)) for hours in hours_ago]


def stays(shots: list[Kept], rule: str) -> list[str]:
    gone = set(to_remove(shots, read_keep(rule)))
    return [one.id for one in shots if one.id not in gone]


def test_the_newest_of_each_hour_stays() -> None:
    shots = taken(0, 0.25, 0.6, 0.9, 1.6, 5)
    assert stays(shots, "3 hourly") == ["snap-0", "snap-0.6", "snap-1.6"]


def test_hours_without_a_snapshot_take_nothing_away() -> None:
    assert stays(taken(1, 500, 1000, 2000), "3 hourly") == ["snap-1", "snap-500", "snap-1000"]


def test_a_snapshot_may_serve_two_periods() -> None:
    assert stays(taken(0, 1, 24, 48), "1 hourly, 2 daily") == ["snap-0", "snap-24"]


def test_last_counts_snapshots_and_no_periods() -> None:
    assert stays(taken(0, 0.1, 0.2), "2 last") == ["snap-0", "snap-0.1"]


def test_a_week_begins_on_monday_also_over_the_new_year() -> None:
    sunday, monday = datetime(2027, 1, 3, 12, tzinfo=UTC), datetime(2026, 12, 28, 12, tzinfo=UTC)
    shots = [Kept(id="sunday", at=sunday), Kept(id="monday", at=monday)]
    assert to_remove(shots, read_keep("5 weekly")) == ["monday"]


def test_what_goes_is_told_oldest_first() -> None:
    assert to_remove(taken(0, 0.1, 0.2), read_keep("1 last")) == ["snap-0.2", "snap-0.1"]


def test_what_is_protected_stays() -> None:
    assert to_remove(taken(0, 1, 2), read_keep("1 last"), protected=["snap-2"]) == ["snap-1"]


@pytest.mark.parametrize(
    ("text", "word"),
    [("", "keep no snapshot"), ("0 daily", "keep no snapshot"), ("three daily", "three daily"), ("3 yearly", "yearly")],
)
def test_a_rule_that_is_none(text: str, word: str) -> None:
    with pytest.raises(exception.UsageError, match=word):
        read_keep(text)


def test_a_period_given_twice() -> None:
    with pytest.raises(exception.UsageError, match="stands twice"):
        read_keep("1 daily, 2 daily")


def test_the_rule_reads_as_it_was_written() -> None:
    assert str(read_keep("3 hourly,\n 7 daily")) == "3 hourly, 7 daily"


KEEPS = st.dictionaries(st.sampled_from(list(Period)), st.integers(0, 5)).map(lambda counts: Keep(counts=counts))
SHOTS = st.lists(st.integers(0, 3_000_000), unique=True).map(
    lambda ages: [Kept(id=f"snap-{age}", at=NOW - timedelta(seconds=age)) for age in ages]
)


@given(SHOTS, KEEPS)
def test_the_newest_is_never_removed(shots: list[Kept], keep: Keep) -> None:
    gone = to_remove(shots, keep)
    newest = max(shots, key=lambda one: one.at, default=None)
    assert newest is None or newest.id not in gone
    assert len(gone) == len(set(gone))


@given(SHOTS, KEEPS)
def test_no_more_stay_than_the_rule_says(shots: list[Kept], keep: Keep) -> None:
    left = len(shots) - len(to_remove(shots, keep))
    assert left <= max(1, sum(keep.counts.values()))


@given(SHOTS, KEEPS)
def test_pruned_again_nothing_more_goes(shots: list[Kept], keep: Keep) -> None:
    gone = set(to_remove(shots, keep))
    assert to_remove([one for one in shots if one.id not in gone], keep) == []
