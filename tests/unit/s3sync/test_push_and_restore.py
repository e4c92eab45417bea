"""Pushes and restores against the local cloud's S3: what is pushed comes back, and nothing newer is overwritten."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from starcluster.s3sync import deciding, history
from starcluster.s3sync.bucket import Bucket
from starcluster.s3sync.trouble import Trouble
from tests.unit.s3sync.conftest import Faulty, Place

MIB = 1 << 20
Make = Callable[..., Place]
LONG_AGO = 1_600_000_000.0


def filled(place: Place) -> Place:
    """Small files, one in the middle, one that is sent in parts, an empty one, a link, an empty folder."""
    place.write("checkpoint-1/weights", os.urandom(17 * MIB + 1), at=LONG_AGO)
    place.write("checkpoint-1/optimizer", os.urandom(3 * MIB), at=LONG_AGO)
    for number in range(20):
        place.write(f"results/{number:02d}", f"result {number}".encode(), at=LONG_AGO + number)
    place.write("empty", b"", at=LONG_AGO)
    (place.folder / "latest").symlink_to("checkpoint-1")
    (place.folder / "nothing").mkdir(mode=0o750)
    (place.folder / "results/00").chmod(0o640)
    return place


@pytest.mark.usefixtures("way")
def test_what_is_pushed_comes_back(place: Make) -> None:
    one, two = filled(place("one")), place("two")
    pushed = one.push()
    assert (pushed.new, pushed.number, pushed.files) == (True, 1, 23)
    back = two.restore()
    assert (back.done, back.files, back.number) == (True, 23, 1)
    assert two.tree == one.tree
    assert os.readlink(two.folder / "latest") == "checkpoint-1"
    assert (two.folder / "nothing").stat().st_mode & 0o777 == 0o750
    assert (two.folder / "results/00").stat().st_mode & 0o777 == 0o640
    assert (two.folder / "results/05").stat().st_mtime == LONG_AGO + 5
    assert not two.restore().done


def test_only_what_is_new_is_sent(place: Make) -> None:
    one = filled(place("one"))
    one.push()
    again = one.push()
    assert (again.new, again.number, again.sent) == (False, 1, 0)
    one.write("results/20", b"more")
    (one.folder / "results/00").unlink()
    (one.folder / "results/01").chmod(0o600)
    third = one.push()
    assert (third.new, third.number, third.sent) == (True, 2, 4)
    two = place("two")
    two.restore()
    assert two.tree == one.tree
    assert (two.folder / "results/01").stat().st_mode & 0o777 == 0o600


def test_old_snapshots_go_with_what_only_they_need(place: Make, s3: Any) -> None:
    one = place("one", keep=2)
    bucket = one.bucket
    for number in range(5):
        one.write("checkpoint", os.urandom(2 * MIB) + bytes([number]))
        one.push()
    assert history.numbers(bucket) == [4, 5]
    objects = [name for name, _ in bucket.listed("data/")]
    assert len(objects) == 5  # young ones may belong to a push under way
    history.prune(bucket, keep=2, now=time.time() + 2 * deciding.DAY)
    needed = {entry.object for number in (4, 5) for entry in history.fetch(bucket, number).entries}
    assert {name for name, _ in bucket.listed("data/")} == needed
    history.prune(bucket, keep=0, now=time.time() + 2 * deciding.DAY)
    assert history.numbers(bucket) == [5]


def test_newer_files_are_not_overwritten(place: Make) -> None:
    one, two = place("one"), place("two")
    one.write("work", b"of one", at=LONG_AGO)
    one.push()
    two.write("work", b"newer", at=LONG_AGO + 60)
    told = two.restore()
    assert (told.done, told.newer) == (False, ("work",))
    assert (two.folder / "work").read_bytes() == b"newer"
    assert two.push().number == 2  # what is newer goes on from there
    two.write("work", b"newer still", at=LONG_AGO + 120)
    assert two.restore(force=True).done
    assert (two.folder / "work").read_bytes() == b"newer"


def test_an_older_folder_is_brought_forward(place: Make) -> None:
    """As with a disk that was restored from a snapshot of an hour ago, with the folder's own state on it."""
    one, two = place("one"), place("two")
    one.write("checkpoint", b"first", at=LONG_AGO)
    one.write("mine", b"stays", at=LONG_AGO)
    one.push()
    two.restore()
    one.write("checkpoint", b"second", at=LONG_AGO + 60)
    one.push()
    assert two.restore().done
    assert two.tree == one.tree


def test_a_folder_that_is_empty_pushes_nothing_over_a_snapshot(place: Make) -> None:
    one, two = place("one"), place("two")
    one.write("work", b"content")
    one.push()
    told = two.push()
    assert (told.new, told.number) == (False, 1)
    assert "empty" in told.note


def test_who_was_set_up_last_has_the_bucket(place: Make) -> None:
    one, two = place("one", since=1.0), place("two", since=2.0)
    one.write("work", b"first")
    one.push()
    two.restore()
    one.write("work", b"last words of the first")
    assert one.push().number == 2  # the second has not pushed yet
    two.restore()
    two.write("work", b"of the second")
    assert two.push().number == 3
    one.write("work", b"a dead one speaks")
    with pytest.raises(Trouble) as caught:
        one.push()
    assert caught.value.kind == "fenced"
    third = place("three")
    third.restore()
    assert (third.folder / "work").read_bytes() == b"of the second"


def test_a_file_that_is_written_to_all_the_time(place: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays as it was in the last snapshot, the others are new."""
    monkeypatch.setattr("starcluster.s3sync.pushing._SETTLE", 0)
    one = place("one")
    one.write("busy/part", b"first", at=LONG_AGO)
    one.write("calm", b"first", at=LONG_AGO)
    one.push()
    one.write("calm", b"second")
    put = Bucket.put
    count = [0]

    def put_and_write(self: Bucket, name: str, content: bytes, **more: Any) -> None:
        count[0] += 1
        one.write("busy/part", f"half {count[0]}".encode())
        put(self, name, content, **more)

    one.write("busy/part", b"half")
    monkeypatch.setattr(Bucket, "put", put_and_write)
    told = one.push()
    monkeypatch.setattr(Bucket, "put", put)
    assert (told.new, told.late) == (True, ("busy",))
    two = place("two")
    two.restore()
    assert (two.folder / "busy/part").read_bytes() == b"first"
    assert (two.folder / "calm").read_bytes() == b"second"


def test_a_log_is_taken_as_it_is(place: Make) -> None:
    one = place("one", live=("*.log",))
    log = one.write("run/train.log", b"line\n" * 3)
    one.write("run/weights", b"w" * 10)
    entry_time = log.stat().st_mtime
    told = one.push()
    assert told.late == ()
    with log.open("ab") as out:
        out.write(b"line\n")
    assert log.stat().st_mtime >= entry_time
    assert one.push().number == 2


def test_a_short_time_takes_the_newest_first(place: Make, faulty: Faulty) -> None:
    """What did not make it is as it was; a link that leads there too."""
    one = place("one", threads=1)
    one.write("old/weights", os.urandom(2 * MIB), at=LONG_AGO)
    one.push()
    for name, at in (("old/weights", 10.0), ("new/weights", 30.0), ("newer/weights", 20.0)):
        one.write(name, os.urandom(2 * MIB), at=LONG_AGO + at)
    (one.folder / "link").symlink_to("old/weights")
    holding = faulty.api.control.hold(action="PutObject", nth=2, when="before")["hold"]
    told = one.push(within=2.5)
    faulty.api.control.release(hold=holding)
    assert (told.new, told.late) == (True, ("link", "newer", "old"))
    two = place("two")
    two.restore()
    assert set(two.tree) == {"old/weights", "new/weights"}
    assert two.tree["new/weights"] == one.tree["new/weights"]
    assert two.tree["old/weights"] != one.tree["old/weights"]
    again = one.push()
    assert again.late == ()
    three = place("three")
    three.restore()
    assert three.tree == one.tree


def test_a_push_in_a_hurry_goes_first(place: Make) -> None:
    one = place("one")
    one.write("work", b"content")
    (one.folder / ".s3sync").mkdir()
    (one.folder / ".s3sync/hurry").write_text("")
    assert one.push(within=30.0).number == 1
    assert not (one.folder / ".s3sync/hurry").exists()


def test_few_small_files_do_not_keep_a_big_object(place: Make) -> None:
    one = place("one")
    for number in range(10):
        one.write(f"{number}", os.urandom(MIB // 2), at=LONG_AGO)
    one.push()
    for number in range(9):
        (one.folder / f"{number}").unlink()
    assert one.push().sent == MIB // 2
    entries = history.newest(one.bucket).entries  # type: ignore[union-attr]
    assert [entry.offset for entry in entries] == [0]


def test_a_full_disk_is_told_before_anything_is_changed(place: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = place("one"), place("two")
    one.write("work", b"content")
    one.push()
    monkeypatch.setattr("starcluster.s3sync.restoring._ROOM", 1 << 60)
    with pytest.raises(Trouble, match="free, the snapshot needs") as caught:
        two.restore()
    assert caught.value.kind == "full"
    assert two.tree == {}


def test_a_restore_that_was_killed_while_moving_in_is_finished(place: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = place("one"), place("two")
    for number in range(4):
        one.write(f"{number}", f"{number}".encode())
    one.push()
    replace, count = os.replace, [0]

    def killed(source: Any, target: Any) -> None:
        if Path(target).parent == two.folder:
            count[0] += 1
            if count[0] == 3:
                raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        two.restore()
    monkeypatch.setattr(os, "replace", replace)
    assert len(two.tree) == 2
    with pytest.raises(Trouble, match="restore again first"):
        two.push()
    two.restore()
    assert two.tree == one.tree


@pytest.mark.parametrize(
    ("action", "code", "sentence"),
    [
        ("ListObjectsV2", "AccessDenied", "may not list"),
        ("PutObject", "AccessDenied", "may not write"),
        ("ListObjectsV2", "NoSuchBucket", "there is no bucket"),
        ("PutObject", "ExpiredToken", "does not take this node's keys"),
        ("PutObject", "InternalError", "S3 could not write"),
    ],
)
def test_refusals_are_told_in_a_sentence(place: Make, faulty: Faulty, action: str, code: str, sentence: str) -> None:
    one = place("one")
    one.write("work", b"content")
    faulty.order(action, code)
    with pytest.raises(Trouble, match=sentence):
        one.push()
    faulty.mend()
    assert one.push().number == 1


def test_a_bucket_in_another_region_is_found(place: Make, s3: Any) -> None:
    one = place("one")
    there = one.settings.bucket + "-there"
    s3.create_bucket(Bucket=there, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    far = one.but(bucket=there)
    far.write("work", b"content")
    assert far.push().number == 1


def test_an_object_that_was_tampered_with_is_not_restored(place: Make, s3: Any) -> None:
    one, two = place("one"), place("two")
    one.write("work", b"content")
    one.push()
    [name] = [name for name, _ in one.bucket.listed("data/")]
    s3.put_object(Bucket=one.settings.bucket, Key=f"work/{name}", Body=b"CONTENT")
    with pytest.raises(Trouble, match="another hash"):
        two.restore()
    assert two.tree == {}
