"""The menu for those who have no config yet."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from starcluster import cli
from starcluster.config import files
from starcluster.config.load import load


class Terminal(io.StringIO):
    """A stdin at which somebody sits."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STARCLUSTER_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "config"


def test_the_menu_writes_a_config_that_works(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("2\n"))
    assert cli.main(["listclusters"]) == 1
    assert f"Config template written to {path}" in capsys.readouterr().out
    assert path.stat().st_mode & 0o777 == 0o600
    assert load().template().name == "smallcluster"


def test_the_menu_shows_the_example(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("1\n"))
    assert cli.main(["listclusters"]) == 1
    assert files.example().read_text() in capsys.readouterr().out
    assert not path.exists()


@pytest.mark.parametrize("stdin", [Terminal("q\n"), Terminal(""), io.StringIO("2\n")])
def test_nothing_is_written_unasked(path: Path, monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO) -> None:
    monkeypatch.setattr("sys.stdin", stdin)
    assert cli.main(["listclusters"]) == 1
    assert not path.exists()


def piped(monkeypatch: pytest.MonkeyPatch, answer: str, *, closed: bool) -> int:
    """listclusters with that on the other side of a pipe."""
    there, here = os.pipe()
    with os.fdopen(there) as stdin, os.fdopen(here, "w") as other:
        other.write(answer)
        other.flush()
        if closed:
            other.close()
        monkeypatch.setattr("sys.stdin", stdin)
        return cli.main(["listclusters"])


@pytest.mark.parametrize("closed", [True, False])
def test_a_script_may_pipe_the_answer(path: Path, monkeypatch: pytest.MonkeyPatch, *, closed: bool) -> None:
    assert piped(monkeypatch, "2\n", closed=closed) == 1
    assert path.exists()


def test_a_pipe_in_which_nothing_lies_is_not_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert piped(monkeypatch, "", closed=False) == 1
    assert not path.exists()


def test_a_broken_config_is_no_reason_for_the_menu(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path.parent.mkdir()
    path.write_text("nonsense\n")
    monkeypatch.setattr("sys.stdin", Terminal("2\n"))
    assert cli.main(["listclusters"]) == 1
    assert path.read_text() == "nonsense\n"
    assert "line 1" in capsys.readouterr().err
