"""Wrong words are told before anything is touched: no cloud, no config."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import pytest

from tests.fakes.ec2 import FakeEc2
from tests.unit.commands.conftest import Run


@pytest.mark.parametrize(
    "words",
    [
        ["createvolume", "0", "us-east-1a"],
        ["createvolume", "many", "us-east-1a"],
        ["createvolume", "1"],
        ["createvolume", "-b", "x", "1", "us-east-1a"],
        ["createvolume", "-t", "=x", "1", "us-east-1a"],
        ["spothistory"],
        ["spothistory", "-d", "1", "-s", "2026-01-01", "t3.micro"],
        ["spothistory", "-c", "-v", "t3.micro"],
        ["spothistory", "-s", "yesterday", "t3.micro"],
        ["spothistory", "-s", "2026-01-02", "-e", "2026-01-01", "t3.micro"],
        ["spothistory", "-o", "prices.gif", "t3.micro"],
        ["removenode", "-a", "node001,NODE001", "c"],
        ["removenode", "-a", "c-master", "c"],
        ["local", "nonsense"],
        ["local", "capacity", "t3.micro", "few"],
        ["local", "price", "t3.micro", "cheap"],
        ["local", "price", "t3.micro", "nan"],
        ["local", "up", "--speed", "0"],
        ["local", "interrupt", "a", "b", "--notice", "-1"],
        ["removevolume"],
        ["removekey"],
        ["listvolumes", "-S", "nonsense"],
    ],
)
def test_wrong_usage(run: Run, ec2: FakeEc2, words: list[str]) -> None:
    result = run(*words)
    assert (result.code, result.out, ec2.calls) == (2, "", [])
    assert "!!! ERROR - " in result.said


@pytest.mark.parametrize("word", ["–n", "—-num-nodes", "−n", "‐n"])  # noqa: RUF001  as pages print them
def test_an_option_that_was_copied_from_a_page(run: Run, ec2: FakeEc2, word: str) -> None:
    result = run("addnode", "mycluster", word, "17")
    assert (result.code, ec2.calls) == (2, [])
    assert f"'{word}' begins with a dash that is not the minus sign" in result.err
    assert "minus sign" not in run("addnode", "mycluster", "17").err


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (["addnode", "-a", "master", "c"], "addnode [OPTIONS] TAG"),
        (["an", "-x", "c"], "an [OPTIONS] TAG"),
        (["drive", "create", "9lives", "1"], "drive create [OPTIONS] NAME SIZE"),
        (["train"], "train [OPTIONS] NODE... [TRAIN.CFG [CONFIG]]"),
    ],
)
def test_what_a_verb_finds_wrong_is_told_with_its_usage(run: Run, words: list[str], usage: str) -> None:
    result = run(*words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"Usage: starcluster {usage}\n!!! ERROR - ")


def test_a_fault_in_a_train_cfg_is_told_without(run: Run, tmp_path: Path) -> None:
    (tmp_path / "train.cfg").write_text("[a]\nnonsense = 1\n")
    for node in ("a", "b"):
        result = run("train", node, str(tmp_path / "train.cfg"))
        assert (result.code, result.err[:12]) == (2, "!!! ERROR - ")


@pytest.mark.parametrize("group", ["plugin", "drive", "local", "config"])
def test_a_bare_group_shows_its_help(run: Run, group: str) -> None:
    result = run(group)
    assert (result.code, result.err) == (1, "")
    assert result.out == run(group, "--help").out


def test_spothistory(run: Run) -> None:
    assert run("shi", "t3.micro").out == (
        ">>> Fetching spot history for t3.micro (VPC)\n"
        ">>> Current price: $0.0300\n>>> Max price: $0.0300\n>>> Average price: $0.0300\n"
    )


def test_spothistory_of_what_is_not_offered(run: Run, ec2: FakeEc2) -> None:
    ec2.zone_names.clear()
    result = run("spothistory", "t9.huge")
    assert (result.code, "no spot price of t9.huge" in result.said) == (1, True)


def test_the_curves_are_written_also_where_no_browser_is(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(name: str | None) -> None:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").write_text("[global]\nCLOUD = local\n")
    monkeypatch.setattr("webbrowser.get", none)
    result = run("-c", "config", "spothistory", "-p", "t3.micro")
    assert (result.code, f"The curves are in {tmp_path}/spothistory-t3.micro.html" in result.out) == (0, True)
    assert "No browser" in result.out
    assert "<svg" in (tmp_path / "spothistory-t3.micro.html").read_text()
    assert "browser" not in run("-c", "config", "spothistory", "-o", "other.html", "t3.micro").out
    assert (tmp_path / "other.html").exists()
    assert run("-c", "config", "spothistory", "-o", "none/x.html", "t3.micro").code == 1


def test_showconsole(run: Run, ec2: FakeEc2) -> None:
    result = run("showconsole", "i-1")
    assert (result.code, "instance 'i-1' does not exist" in result.said) == (1, True)
