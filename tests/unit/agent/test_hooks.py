"""Programs that plugins leave on a node, run at a checkpoint and at the notice."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from starcluster.agent import hooks

LONG = 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / hooks.NOTICE).mkdir()
    return tmp_path


def leave(folder: Path, name: str, script: str, mode: int = 0o755) -> None:
    path = folder / hooks.NOTICE / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(mode)


def test_without_any_nothing_is_run(tmp_path: Path) -> None:
    assert hooks.Hooks(str(tmp_path)).run(hooks.NOTICE, 1) == []


def test_they_are_run_side_by_side_and_told_in_the_order_of_their_names(folder: Path) -> None:
    meets = "touch {folder}/{mine}; until test -e {folder}/{other}; do sleep 0.05; done; exit {status}"
    leave(folder, "b", meets.format(folder=folder, mine="b", other="a", status=3))
    leave(folder, "a", meets.format(folder=folder, mine="a", other="b", status=0))
    leave(folder, "note", "exit 9", mode=0o644)
    told = hooks.Hooks(str(folder)).run(hooks.NOTICE, LONG)
    assert [(one["hook"], one["exit"]) for one in told] == [("a", 0), ("b", 3)], "each waited for the other"
    assert hooks.Hooks(str(folder)).run(hooks.CHECKPOINT, LONG) == []


def test_they_are_told_how_long_they_have(folder: Path) -> None:
    leave(folder, "a", f'printf %s "$STARCLUSTER_SECONDS" > {folder}/seconds')
    hooks.Hooks(str(folder)).run(hooks.NOTICE, 12.34)
    assert (folder / "seconds").read_text() == "12.3"


def test_one_that_goes_on_is_ended_with_all_that_it_started(folder: Path) -> None:
    leave(folder, "a", f"(sleep 1; touch {folder}/late) & sleep {LONG}")
    (told,) = hooks.Hooks(str(folder)).run(hooks.NOTICE, 0.3)
    assert (told["hook"], told["exit"]) == ("a", None)
    time.sleep(1.2)
    assert not (folder / "late").exists()


def test_one_that_can_not_be_started_keeps_no_other_from_it(folder: Path) -> None:
    (folder / hooks.NOTICE / "a").write_text("#!/no/such/program\n")
    (folder / hooks.NOTICE / "a").chmod(0o755)
    leave(folder, "b", "exit 0")
    first, second = hooks.Hooks(str(folder)).run(hooks.NOTICE, LONG)
    assert first["exit"] is None
    assert "error" in first
    assert second["exit"] == 0
