"""What holds for every folder and every snapshot: nothing is lost, nothing is half, nothing newer is overwritten."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starcluster.s3sync import deciding
from starcluster.s3sync.deciding import DAY, PACK, SMALL, Verdict, judge, loads, merged, newest_first, snapshot, stored
from starcluster.s3sync.model import FILE, FOLDER, LINK, Entry, Manifest, manifest_of, total

UNITS = ("a", "b", "c")
PATHS = [*UNITS, *(f"{unit}/{name}" for unit in UNITS for name in ("x", "y"))]


def files(path: st.SearchStrategy[str]) -> st.SearchStrategy[Entry]:
    sizes = st.sampled_from([0, 1, 1000, SMALL, SMALL + 1, PACK])
    return st.builds(Entry, path=path, size=sizes, mtime=st.integers(1, 6), mode=st.just(0o644))


def others(path: st.SearchStrategy[str]) -> st.SearchStrategy[Entry]:
    links = st.builds(Entry, path=path, kind=st.just(LINK), target=st.sampled_from(["a", "a/x", "../b/y", "/tmp"]))
    return st.one_of(links, st.builds(Entry, path=path, kind=st.just(FOLDER)))


ENTRIES = st.lists(
    st.one_of(files(st.sampled_from(PATHS)), others(st.sampled_from(PATHS))), unique_by=lambda one: one.path
)
WHOLE = st.booleans()


def in_bucket(entries: list[Entry]) -> list[Entry]:
    """As a push leaves them: every file has its object."""
    return [
        replace(one, sha256=f"hash of {one.path}", object=f"objects/{number}") if one.kind == FILE else one
        for number, one in enumerate(entries)
    ]


def by_path(entries: list[Entry]) -> dict[str, Entry]:
    return {one.path: one for one in entries}


def manifest(entries: list[Entry], number: int = 1, made: float = 4e-9) -> Manifest:
    return Manifest(number=number, made=made, writer="i-1", since=1.0, entries=tuple(entries))


@given(ENTRIES, WHOLE)
def test_the_order_loses_nothing_and_keeps_units_in_one_piece(entries: list[Entry], whole: bool) -> None:
    order = newest_first(entries, whole=whole)
    assert sorted(one.path for one in order) == sorted(one.path for one in entries)
    units = [deciding.unit_of(one.path, whole=whole) for one in order]
    pieces = [unit for unit, before in zip(units, [None, *units], strict=False) if unit != before]
    assert len(pieces) == len(set(pieces))
    newest = {unit: max(one.mtime for one, of in zip(order, units, strict=True) if of == unit) for unit in pieces}
    assert [newest[unit] for unit in pieces] == sorted(newest.values(), reverse=True)


@given(ENTRIES, ENTRIES)
def test_what_is_not_sent_lies_in_the_bucket_as_it_is_here(found: list[Entry], before: list[Entry]) -> None:
    known = by_path(in_bucket(before))
    have, wanted = stored(found, known)
    assert set(have) | {one.path for one in wanted} == {one.path for one in found}
    assert not set(have) & {one.path for one in wanted}
    for one in have.values():
        if one.kind == FILE:
            assert one.is_like(known[one.path])
            assert (one.object, one.sha256) == (known[one.path].object, known[one.path].sha256)


@given(ENTRIES)
def test_loads_are_small_or_of_one_file(entries: list[Entry]) -> None:
    wanted = [one for one in entries if one.kind == FILE]
    groups = loads(wanted)
    assert [one for group in groups for one in group] != [] or not wanted
    assert sorted(one.path for group in groups for one in group) == sorted(one.path for one in wanted)
    for group in groups:
        assert len(group) == 1 or (total(group) <= PACK and all(one.size <= SMALL for one in group))


def test_small_files_fill_an_object_up_to_its_limit() -> None:
    groups = loads([Entry(path=f"{number}", size=SMALL) for number in range(20)])
    assert [len(group) for group in groups] == [8, 8, 4]


@pytest.mark.parametrize(("left", "sent"), [(4, []), (3, ["0", "1", "2"])])
def test_few_that_keep_a_shared_object_alive_are_sent_anew(left: int, sent: list[str]) -> None:
    before = [Entry(path=f"{number}", size=10, mtime=1, object="shared", offset=10 * number) for number in range(8)]
    found = [Entry(path=f"{number}", size=10, mtime=1) for number in range(left)]
    have, wanted = stored(found, by_path(before))
    assert [one.path for one in wanted] == sent
    assert len(have) + len(wanted) == left
    assert stored(found, by_path(before), repack=False)[1] == []


@given(ENTRIES, ENTRIES, st.sets(st.sampled_from(PATHS)), WHOLE)
def test_each_unit_of_a_snapshot_is_of_one_time(
    found: list[Entry], before: list[Entry], torn: set[str], whole: bool
) -> None:
    """Whatever could not be uploaded: a unit is all as it is now, or all as it was."""
    old = by_path(in_bucket(before))
    have = {one.path: one for one in in_bucket(found) if one.path not in torn}
    entries, late = snapshot(found, have, old, whole=whole)
    for unit in {deciding.unit_of(path, whole=whole) for path in PATHS}:
        mine = {one.path: one for one in entries if deciding.unit_of(one.path, whole=whole) == unit}
        source = old if unit in late else have
        assert mine == {path: one for path, one in source.items() if deciding.unit_of(path, whole=whole) == unit}
    assert all(unit in late for unit in {deciding.unit_of(one.path, whole=whole) for one in found if one.path in torn})


def test_a_link_does_not_come_without_what_it_leads_to() -> None:
    found = [Entry(path="step-2/model", size=1), Entry(path="latest", kind=LINK, target="step-2")]
    entries, late = snapshot(found, {"latest": found[1]}, {}, whole=False)
    assert entries == []
    assert late == ["latest", "step-2"]


@given(ENTRIES, ENTRIES, ENTRIES)
def test_a_restore_goes_over_nothing_newer(found: list[Entry], base: list[Entry], newest: list[Entry]) -> None:
    last = manifest(in_bucket(newest), number=2)
    told = judge(found, manifest(in_bucket(base)), last)
    here, was, there = by_path(found), by_path(base), by_path(newest)
    if told.verdict is Verdict.RESTORE:
        for one in told.wanted:
            local = here.get(one.path)
            if local is not None and local.kind == FILE and not local.is_like(was.get(one.path)):
                assert local.mtime <= there[one.path].mtime or local.mtime <= last.made * 1e9
        restored = here | by_path(list(told.wanted))
        assert all(one.is_like(restored[one.path]) for one in last.entries)


@given(ENTRIES, ENTRIES)
def test_an_empty_folder_gets_all(base: list[Entry], newest: list[Entry]) -> None:
    told = judge([], None, manifest(in_bucket(newest)))
    assert told.verdict is (Verdict.RESTORE if newest else Verdict.IN_STEP)
    assert len(told.wanted) == len(newest)
    assert judge([], manifest(in_bucket(base)), None).verdict is Verdict.NOTHING_THERE


@given(ENTRIES)
def test_what_was_deleted_here_after_the_snapshot_does_not_come_back(entries: list[Entry]) -> None:
    last = manifest(in_bucket(entries))
    assert judge(entries[1:], last, last).verdict is (Verdict.RESTORE if len(entries) == 1 else Verdict.IN_STEP)


@given(st.sets(st.integers(1, 30)), st.integers(-1, 5))
def test_the_newest_snapshot_is_never_deleted(numbers: set[int], keep: int) -> None:
    gone = deciding.doomed(sorted(numbers), keep=keep)
    left = numbers - set(gone)
    assert len(left) == min(len(numbers), max(1, keep))
    assert not numbers or max(numbers) in left


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 3 * DAY)), st.sets(st.sampled_from("abcdef")))
def test_only_old_objects_that_nobody_needs_are_deleted(written: dict[str, float], needed: set[str]) -> None:
    gone = deciding.unused(written.items(), needed, now=2 * DAY)
    assert set(gone) == {name for name, at in written.items() if name not in needed and at < DAY}


@given(st.lists(st.tuples(st.sampled_from("pq"), st.integers(0, 2000)), unique=True), st.integers(0, 300))
def test_what_is_fetched_together_lies_close_together(places: list[tuple[str, int]], gap: int) -> None:
    entries = [Entry(path=f"{name}{at}", object=name, offset=at, size=1) for name, at in places]
    groups = merged(entries, gap=gap, most=500)
    assert sorted(one.path for group in groups for one in group) == sorted(one.path for one in entries)
    for group in groups:
        assert len({one.object for one in group}) == 1
        assert group[-1].offset + group[-1].size - group[0].offset <= 500
        assert all(after.offset - one.offset - 1 <= gap for one, after in itertools.pairwise(group))


@given(ENTRIES)
def test_a_manifest_comes_back_from_its_text(entries: list[Entry]) -> None:
    made = manifest(in_bucket(entries))
    assert manifest_of(made.text()) == made


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../up", "a//b", "."])
def test_a_path_that_leads_out_of_the_folder_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a path below a folder"):
        manifest_of(manifest([Entry(path=path)]).text())
