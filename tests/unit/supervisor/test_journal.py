"""The journal: its place, its listeners, and lines that are not its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from starcluster.supervisor.journal import Journal, journal_folder
from tests.unit.supervisor.stage import TAG


def test_the_journal_is_in_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STARCLUSTER_HOME", str(tmp_path))
    assert journal_folder() == tmp_path / "journal"


def test_who_listens_is_told_each_event(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    journal = Journal(tmp_path, TAG, listener=heard.append)
    journal.add("mynode", "begin")
    assert [one["event"] for one in heard] == ["begin"]


def test_a_line_that_is_no_event_is_left_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path, TAG)
    journal.add("mynode", "begin")
    with journal.path("mynode").open("a") as file:
        file.write('[1]\n{"at": 1}\n')
    assert [one["event"] for one in journal.read("mynode")] == ["begin"]


def test_a_journal_that_can_not_be_shortened_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("starcluster.supervisor.journal.MOST", 10)
    journal = Journal(tmp_path, TAG)
    journal.path("mynode").mkdir(parents=True)
    assert journal.add_once("mynode", ("a",), "begin")
