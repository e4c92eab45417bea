"""The rehearsal's judge: tests/rehearsal/soak/observer.py and the records of writer.py beside it."""

from __future__ import annotations

import pytest

from tests.rehearsal.soak.observer import Account
from tests.rehearsal.soak.writer import line_of, whole_records


def heard(*lines: str) -> Account:
    account = Account()
    for at, line in enumerate(lines):
        account.hear(line, float(at))
    return account


def test_what_an_attempt_lacks_of_what_was_promised() -> None:
    account = heard("found 1 0 0 0", "ack 1 1", "ack 1 2", "ack 1 3", "found 2 2 17 1")
    found = account.found[-1]
    assert (found.lost, found.acked, found.torn, found.control_lost, found.flushed) == (1, 3, 17, 1, None)
    assert found.at == 4.0


def test_a_record_that_was_synced_and_not_yet_told_is_no_loss() -> None:
    account = heard("found 1 0 0 0", "ack 1 1", "found 2 2 0 0", "ack 2 3")
    assert (account.found[-1].lost, account.acked, account.done) == (0, 3, False)


def test_an_attempt_that_was_asked_to_stop_is_known() -> None:
    account = heard("found 1 0 0 0", "ack 1 1", "flushed 1 1", "found 2 1 0 0", "done 2 1")
    assert (account.found[-1].flushed, account.done) == (1, True)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [("ack 1 3", "two attempts"), ("found 2 2 0 0", "after attempt 2"), ("ack 2 4", "out of turn")],
)
def test_what_one_writer_at_a_time_can_not_have_written(line: str, wrong: str) -> None:
    with pytest.raises(AssertionError, match=wrong):
        heard("found 1 0 0 0", "ack 1 1", "ack 1 2", "found 2 2 0 0", line)


WHOLE = line_of(1, "aa") + line_of(2, "bb")


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (WHOLE, 2),
        (b"", 0),
        (WHOLE + line_of(3, "cc")[:-1], 2),
        (WHOLE + line_of(4, "cc"), 2),
        (WHOLE + line_of(3, "cc").replace(b"cc", b"cd"), 2),
        (WHOLE + bytes(100) + b"\n", 2),
        (WHOLE.replace(b"aa", b"ab"), 0),
    ],
)
def test_records_count_from_the_beginning_to_the_first_that_is_not_whole(content: bytes, count: int) -> None:
    assert whole_records(content) == (count, len(b"".join(WHOLE.splitlines(keepends=True)[:count])))
