"""What old plugins import of starcluster.utils, static and spinner."""

from __future__ import annotations

import io
import sys
import time
from datetime import datetime

import pytest

from starcluster import exception, spinner, static, utils


def test_times_go_there_and_back() -> None:
    iso = "2026-01-31T12:00:00.000Z"
    moment = utils.iso_to_datetime_tuple(iso)
    assert moment == datetime(2026, 1, 31, 12)
    assert utils.datetime_tuple_to_iso(moment) == iso
    assert utils.iso_to_unix_time(iso) == 1769860800
    assert utils.iso_to_javascript_timestamp(iso) == 1769860800000
    assert f"{utils.iso_to_unix_time(iso)}" == "1769860800"
    assert utils.iso_to_localtime_tuple(iso).timestamp() == 1769860800


def test_the_time_since_then() -> None:
    then = utils.datetime_tuple_to_iso(datetime.utcfromtimestamp(time.time() - 90061))
    assert utils.get_elapsed_time(then) in ("1 days, 01:01:01", "1 days, 01:01:02")


def test_chunks_have_at_most_so_many() -> None:
    assert list(utils.chunk_list([1, 2, 3, 4, 5], items=2)) == [[1, 2], [3, 4], [5]]


def test_a_text_is_a_file_in_memory() -> None:
    file = utils.string_to_file("a\nb\n", "/nowhere/x.sh")
    assert (file.name, file.readlines()) == ("/nowhere/x.sh", ["a\n", "b\n"])


def test_types_have_their_architecture() -> None:
    types = static.INSTANCE_TYPES
    found = {
        name: types[name]
        for name in ("t3.micro", "g4dn.xlarge", "m6g.large", "g5g.xlarge", "im4gn.large", "p5.48xlarge")
    }
    assert found == {
        "t3.micro": ["x86_64"],
        "g4dn.xlarge": ["x86_64"],
        "m6g.large": ["arm64"],
        "g5g.xlarge": ["arm64"],
        "im4gn.large": ["arm64"],
        "p5.48xlarge": ["x86_64"],
    }
    with pytest.raises(AttributeError):
        static.NO_SUCH_NAME  # noqa: B018


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_spinner_turns_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with spinner.Spinner() as turning:
        turning.start()
    turning.stop()
    assert screen.getvalue().startswith("|")
    assert screen.getvalue().endswith("\n")
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    utils.get_spinner("waiting").stop()
    assert pipe.getvalue() == ""


def test_timing_with_and_without_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    @utils.print_timing
    def one() -> int:
        return 1

    @utils.print_timing("The second")
    def two() -> int:
        return 2

    assert (one(), two()) == (1, 2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(" took ")[0] for line in lines] == [">>> one", ">>> The second"]


def test_programs_of_this_machine() -> None:
    assert str(utils.which("sh")).endswith("/sh")
    assert utils.which("no-such-program") is None
    assert utils.has_required(["sh"])
    assert utils.check_required(["sh"])
    with pytest.raises(exception.CommandNotFound, match="no-such-program"):
        utils.check_required(["sh", "no-such-program"])
