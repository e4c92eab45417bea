"""The sync that runs on a node: how long it waits, what it says, when it ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from starcluster.s3sync import watching
from starcluster.s3sync.pushing import Pushed
from starcluster.s3sync.settings import Settings
from starcluster.s3sync.trouble import Trouble
from starcluster.s3sync.watching import Watch, write_status

INTERVAL = 300.0
Outcome = Pushed | Trouble


class Ended(threading.Event):
    """Keeps the pauses, and ends after the last outcome."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self.pauses: list[float | None] = []
        self.rounds = rounds

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout)
        return len(self.pauses) > self.rounds


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run" / "s3sync"
    monkeypatch.setattr(watching.write_status, "__defaults__", (str(folder),))
    return folder


def watch(outcomes: Sequence[Outcome], interval: float = INTERVAL) -> tuple[int, list[float | None]]:
    left, ended = list(outcomes), Ended(len(outcomes))

    def push() -> Pushed:
        outcome = left.pop(0)
        if isinstance(outcome, Trouble):
            raise outcome
        return outcome

    settings = Settings(name="results", bucket="b", path="/work", interval=interval)
    return Watch(settings, push=push, ended=ended).run(), ended.pauses


def pushed(number: int = 1, *, new: bool = True) -> Pushed:
    return Pushed(number=number, new=new, files=1, size=1, sent=1, seconds=1.0)


def test_every_interval_and_sooner_after_trouble() -> None:
    status, pauses = watch([pushed(), Trouble("no network"), pushed(2)])
    assert status == 0
    assert pauses == [300.0, 300.0, 30.0, 300.0]
    assert watch([Trouble("no network")], interval=5.0)[1] == [5.0, 5.0]


def test_who_has_lost_the_bucket_to_another_node_ends() -> None:
    status, pauses = watch([Trouble("bob has it now", kind="fenced"), pushed()])
    assert status == 3
    assert pauses == [300.0]


def test_the_log_tells_what_is_news(capsys: pytest.CaptureFixture[str]) -> None:
    trouble = Trouble("no network")
    watch([pushed(), pushed(new=False), pushed(new=False), trouble, trouble, pushed(2)])
    said = [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert said == [
        "results: snapshot 1: pushed",
        "results: in step",
        "results: no network",
        "results: snapshot 2: pushed",
    ]


def test_what_was_said_last_can_be_read(folder: Path) -> None:
    watch([pushed(), Trouble("no network", "look at the route")])
    told = json.loads((folder / "results.json").read_text())
    assert told["said"] == "no network; look at the route"
    assert not (folder / "results.json.new").exists()


def test_a_disk_without_room_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    write_status("results", {}, str(tmp_path / "file" / "below"))
    assert list(tmp_path.glob("file*")) == [tmp_path / "file"]
