"""How a log is followed: over attempts, over a master that is away for a while, until the outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from starcluster import exception
from starcluster.cluster.namerecord import NameRecords
from starcluster.commands import logs
from starcluster.supervisor.tail import Tail, read_log
from tests.fakes.ec2 import FakeEc2
from tests.unit.supervisor.stage import FakeAgent, FakeShell


class Shelf:
    """Logs by attempt; `trouble`: what the next reads raise."""

    def __init__(self, **texts: str) -> None:
        self.texts = {int(name[1:]): text for name, text in texts.items()}
        self.trouble: list[Exception] = []
        self.reads = 0

    def read(self, *, attempt: int = 0, lines: int = 0, offset: int | None = None, file: int = 0) -> Tail:
        self.reads += 1
        if self.trouble:
            raise self.trouble.pop(0)
        number = attempt or max(self.texts, default=0)
        if number not in self.texts:
            raise exception.NoLog(f"no log of attempt {number}")
        text = self.texts[number]
        return Tail(attempt=number, text=text[offset or 0 :], offset=len(text))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_PAUSE", 0)


def follow(shelf: Shelf, attempt: int = 0, over: Callable[[], bool] = lambda: True) -> None:
    logs._follow(shelf.read, shelf.read(attempt=attempt or 1), attempt, over)


def test_no_attempt_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    follow(Shelf(a1="one\n", a2="two\n", a4="four\n"))
    assert capsys.readouterr().out == "--- attempt 2 ---\ntwo\n--- attempt 4 ---\nfour\n"


def test_one_attempt_is_followed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    follow(Shelf(a1="one\n", a2="two\n"), attempt=1)
    assert capsys.readouterr().out == ""


def test_it_goes_on_until_there_is_an_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    shelf = Shelf(a1="one\n")
    asked = iter((False, False, True))

    def over() -> bool:
        shelf.texts[1] += "more\n" if shelf.reads < 4 else ""
        return next(asked)

    follow(shelf, over=over)
    assert capsys.readouterr().out.count("more") == 1


def test_a_master_that_is_away_is_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    shelf = Shelf(a1="one\n", a2="two\n")
    first = shelf.read(attempt=1)
    shelf.trouble = [exception.SSHConnectionError("no route to host")] * 5
    logs._follow(shelf.read, first, 0, lambda: True)
    assert "two" in capsys.readouterr().out
    shelf.trouble = [exception.SSHConnectionError("no route to host")] * 99
    with pytest.raises(exception.SSHConnectionError):
        logs._follow(shelf.read, first, 0, lambda: True)


def test_the_first_attempt_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    shelf = Shelf()
    shelf.trouble = [exception.SSHConnectionError("no route to host")] * 25

    def over() -> bool:
        if shelf.reads == 40:
            shelf.texts[1] = "at last\n"
        return False

    assert logs._awaited(shelf.read, over).text == "at last\n"
    assert shelf.reads == 41


def test_a_name_that_ends_without_a_log_is_not_waited_for() -> None:
    shelf = Shelf()
    with pytest.raises(exception.NoLog):
        logs._awaited(shelf.read, lambda: shelf.reads == 3)
    assert shelf.reads == 4
    shelf.trouble = [exception.SSHConnectionError("no route to host")] * 99
    with pytest.raises(exception.SSHConnectionError):
        logs._awaited(shelf.read, lambda: False)


class App:
    """A cluster whose master tells `answers` one after the other; the last one again and again."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.ec2 = FakeEc2()
        NameRecords(self.ec2.templates, "mycluster").ensure("mynode")
        left = list(answers)
        self.ssh = FakeShell(lambda order: left.pop(0) if left[1:] else left[0], FakeAgent("i-1", installed=True))

    clusters = property(lambda self: self)

    def get(self, tag: str) -> App:
        return self

    def running_master(self) -> App:
        return self


NONE = {"ok": True, "attempt": 0, "text": "", "offset": 0, "error": "No such file"}
EMPTY = {"ok": True, "attempt": 1, "text": "", "offset": 0}
FIRST = {"ok": True, "attempt": 1, "text": "one\n", "offset": 4}


def test_a_follower_says_once_that_there_is_none_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_has_outcome", lambda records, node: True)
    done = CliRunner().invoke(logs.command, ["-f", "mycluster", "MyNode"], obj=App(NONE, EMPTY, FIRST, EMPTY))
    assert done.stderr == (
        "mynode has no log yet: its command has not been started; it is shown as soon as there is one\n"
    )
    assert done.stdout == "one\n"


@pytest.mark.parametrize("words", [["mynode"], ["-f", "-a", "3", "mynode"], ["-f", "nosuch"]])
def test_only_a_follower_of_a_known_name_waits(words: list[str]) -> None:
    done = CliRunner().invoke(logs.command, ["mycluster", *words], obj=App(NONE))
    wanted = exception.NodeDoesNotExist if "nosuch" in words else exception.NoLog
    assert isinstance(done.exception, wanted)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("asked", "found", "words", "hint"),
    [
        (0, 0, "mynode has no log yet: its command has not been started", "starcluster nodes"),
        (9, 9, "mynode has no log of attempt 9", "without -a"),
        (0, 1, "mynode has no log of attempt 1", "df /home"),
    ],
)
def test_a_log_that_is_not_there_says_why(asked: int, found: int, words: str, hint: str) -> None:
    answer: dict[str, Any] = {"ok": True, "attempt": found, "text": "", "offset": 0, "error": "No such file"}
    shell = FakeShell(lambda order: answer, FakeAgent("i-1", installed=True))
    with pytest.raises(exception.NoLog, match=words) as caught:
        read_log(shell, "mynode", attempt=asked)
    assert hint in caught.value.hint
