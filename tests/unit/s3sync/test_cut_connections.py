"""The connection cut at every request: what is restored afterwards is always a whole checkpoint, by its hashes."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from starcluster.localcloud.api.faults import When
from starcluster.s3sync.trouble import Trouble
from tests.unit.s3sync.conftest import Faulty, Place, Tree

MIB = 1 << 20
Make = Callable[..., Place]
WAYS = [(When.BEFORE, False), (When.AFTER, False), (When.AFTER, True)]
NAMES = ["before", "after", "half"]


def write_checkpoint(place: Place, number: int) -> Tree:
    """A checkpoint of several files that belong together: in parts, alone, and many in one object."""
    place.write("checkpoint/weights", os.urandom(9 * MIB) + bytes([number]))
    place.write("checkpoint/optimizer", os.urandom(2 * MIB))
    for each in range(5):
        place.write(f"checkpoint/part-{each}", os.urandom(1000))
    place.write("checkpoint/step", f"{number}".encode())
    return place.tree


class Case:
    """A node that pushes its second checkpoint, and others that restore what is there."""

    def __init__(self, make: Make, faulty: Faulty, count: int = 0) -> None:
        self.make, self.faulty, self.count = make, faulty, count
        prefix = f"case-{count}"
        self.node = make(f"node-{count}", prefix=prefix, keep=2)
        self.prefix = prefix
        self.first = write_checkpoint(self.node, 1)
        self.node.push()
        self.second = write_checkpoint(self.node, 2)

    def another(self, name: str) -> Place:
        return self.make(f"{name}-{self.count}", prefix=self.prefix)


def requests_of_a_push(make: Make, faulty: Faulty) -> int:
    return faulty.calls(Case(make, faulty, 9999).node.push)


def check_push_cut_at(make: Make, faulty: Faulty, nth: int, when: When, half: bool, *, lasting: bool) -> None:
    case = Case(make, faulty, nth)
    faulty.cut(skip=nth, when=when, half=half, times=10**6 if lasting else 1)
    with suppress(Trouble):
        case.node.push()
    faulty.mend()
    found = case.another("successor")
    assert found.restore().done
    assert found.tree in (case.first, case.second)
    case.node.push()
    last = case.another("last")
    last.restore()
    assert last.tree == case.second


def check_restore_cut_at(case: Case, faulty: Faulty, nth: int, when: When, half: bool) -> None:
    there = case.another(f"back-{nth}-{when}-{half}")
    faulty.cut(skip=nth, when=when, half=half)
    with suppress(Trouble):
        there.restore()
    faulty.mend()
    assert there.tree in ({}, case.second)
    there.restore()
    assert there.tree == case.second


@pytest.mark.parametrize(("when", "half"), WAYS, ids=NAMES)
def test_a_push_cut_at_some_requests(place: Make, faulty: Faulty, when: When, half: bool) -> None:
    total = requests_of_a_push(place, faulty)
    assert total >= 9
    for nth in (total // 3, total // 2, 2 * total // 3):
        check_push_cut_at(place, faulty, nth, when, half, lasting=True)


@pytest.mark.long
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("lasting", [True, False], ids=["lasting", "once"])
@pytest.mark.parametrize(("when", "half"), WAYS, ids=NAMES)
def test_a_push_cut_at_every_request(place: Make, faulty: Faulty, when: When, half: bool, lasting: bool) -> None:
    for nth in range(requests_of_a_push(place, faulty)):
        check_push_cut_at(place, faulty, nth, when, half, lasting=lasting)


def test_a_restore_cut_at_every_request(place: Make, faulty: Faulty) -> None:
    case = Case(place, faulty)
    case.node.push()
    total = faulty.calls(case.another("whole").restore)
    assert total >= 5
    for when, half in WAYS:
        for nth in range(total):
            check_restore_cut_at(case, faulty, nth, when, half)


def cut_upload(place: Make, faulty: Faulty) -> Any:
    """A node whose first push was cut in the middle of a large file."""
    node = place("node", threads=1)
    node.write("weights", os.urandom(40 * MIB))
    faulty.order("UploadPart", "ConnectionReset", skip=3)
    with pytest.raises(Trouble, match="could not be reached"):
        node.push()
    faulty.mend()
    return node


@pytest.mark.usefixtures("way")
def test_an_upload_in_parts_goes_on_where_it_was_cut(place: Make, faulty: Faulty) -> None:
    node = cut_upload(place, faulty)
    counted = faulty.calls(node.push)
    assert counted == 10  # a first push makes 14: 3 of 5 parts need not be sent again, nor be begun
    back = place("back")
    back.restore()
    assert back.tree == node.tree


@pytest.mark.usefixtures("way")
def test_an_upload_that_is_gone_is_begun_anew(place: Make, faulty: Faulty, s3: Any) -> None:
    """By a rule of the bucket, or because a thread of the push that was cut had ended it by then."""
    node = cut_upload(place, faulty)
    name = node.settings.bucket
    for one in s3.list_multipart_uploads(Bucket=name)["Uploads"]:
        s3.abort_multipart_upload(Bucket=name, Key=one["Key"], UploadId=one["UploadId"])
    node.push()
    back = place("back")
    back.restore()
    assert back.tree == node.tree


def test_a_cut_that_passes_is_not_even_noticed(place: Make, faulty: Faulty) -> None:
    node = place("node", tries=4)
    content = write_checkpoint(node, 1)
    for action in ("ListObjectsV2", "PutObject", "UploadPart", "CompleteMultipartUpload"):
        for when in When:
            faulty.order(action, "ConnectionReset", times=1, when=when)
    node.push()
    faulty.mend()
    back = place("back", tries=4)
    faulty.order("GetObject", "CutAnswer", times=2, when=When.AFTER)
    back.restore()
    assert back.tree == content
