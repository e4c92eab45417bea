"""The frame: streams, exit codes, help without a config, prefixes of options."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from starcluster import cli, exception
from starcluster.commands import ALIASES, VERBS
from starcluster.commands.words import whole_options


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def call(*words: str) -> tuple[int, str, str]:
        code = cli.main(list(words))
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch):
    """Let `starcluster help` do something else, without a config."""

    def replace(action) -> None:
        monkeypatch.setattr("starcluster.commands.help.command", click.Command("help", callback=action))

    return replace


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_help_needs_no_config_and_names_every_verb(run, words: list[str]) -> None:
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    for name, entry in VERBS.items():
        assert f"  {name}" in out
        assert all(alias in out for alias in entry.aliases)


@pytest.mark.parametrize("words", [["help", "listvolumes"], ["lv", "--help"], ["listvolumes", "help"], ["lv", "-h"]])
def test_three_ways_to_a_verbs_help(run, words: list[str]) -> None:
    code, out, _ = run(*words)
    assert code == 0
    assert "--volume-id" in out
    assert "Example" in out


@pytest.mark.parametrize(
    "words", [["help", "local", "interrupt"], ["local", "interrupt", "help"], ["local", "interrupt", "--help"]]
)
def test_help_of_a_verb_of_a_verb(run, words: list[str]) -> None:
    code, out, _ = run(*words)
    assert code == 0
    assert out.startswith("Usage: starcluster local interrupt [OPTIONS] TAG NODE\n")


def test_help_of_local_names_its_verbs(run) -> None:
    code, out, _ = run("local", "help")
    assert (code, "ssh-config" in out) == (0, True)


def test_help_of_what_is_no_verb(run) -> None:
    assert run("help", "nonsense")[0] == 1
    assert run("help", "start", "more")[0] == 2


def test_the_banner_is_for_terminals_alone(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    cli.main(["--version"])
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    cli.main(["--version"])
    assert capsys.readouterr().err == cli.BANNER


def test_version(run) -> None:
    assert run("--version")[:2] == (0, "0.1.0\n")


def test_no_verb_shows_help_and_fails(run) -> None:
    code, out, _ = run()
    assert code == 1
    assert "listclusters" in out


def test_an_unknown_verb_and_what_may_be_meant(run) -> None:
    code, out, err = run("listcluster")
    assert (code, out) == (1, "")
    assert err.startswith("!!! ERROR - there is no verb 'listcluster'\n!!! ERROR - did you mean: listclusters, ")


def test_one_verb_is_offered_once(run) -> None:
    assert run("addn")[2].endswith("!!! ERROR - did you mean: addnode?\n")


def test_a_verbs_option_before_the_verb_is_told_its_place(run) -> None:
    code, _, err = run("--json", "lc")
    assert (code, "--version" in err) == (2, False)
    assert err.endswith("!!! ERROR - the options of a verb stand behind it: starcluster VERB --json\n")
    assert "Did you mean '--version'" in run("--versoin")[2] or "Did you mean --version" in run("--versoin")[2]


def test_a_longer_name_of_an_option_is_told_the_short_one(run) -> None:
    code, _, err = run("addnode", "c", "--bid-price", "1")
    assert code == 2
    assert re.search(r"Did you mean '?--bid'?\?", err)


def test_wrong_usage_shows_the_usage_line(run) -> None:
    code, out, err = run("createkey")
    assert (code, out) == (2, "")
    assert err == "Usage: starcluster createkey [OPTIONS] NAME\n!!! ERROR - Missing argument 'NAME'.\n"


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (["put", "c", "big"], "REMOTE"),
        (["put", "c"], "LOCAL..."),
        (["get", "c", "big"], "LOCAL"),
        (["get", "c"], "REMOTE..."),
    ],
)
def test_a_copy_without_all_its_words_is_told_which_is_missing(run, words: list[str], missing: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err.endswith(f"!!! ERROR - Missing argument '{missing}'.\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["stop"], "active clusters: mine, other"),
        (["terminate"], "active clusters: mine, other"),
        (["restart"], "active clusters: mine, other"),
        (["sshmaster"], "active clusters: mine, other"),
        (["sshnode", "mine"], "its nodes: master, node001"),
        (["sshnode", "nosuch"], "Missing argument 'NODE'."),
        (["start"], "Missing argument 'TAG'."),
    ],
)
def test_who_names_no_cluster_or_node_is_told_which_there_are(
    run, words: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"clusters": {"mine": ["master", "node001"], "other": []}}
    monkeypatch.setattr("starcluster.commands.completing.known", lambda ctx: known)
    assert run(*words)[2].endswith(f"!!! ERROR - {told}\n")


def test_an_unknown_option_is_wrong_usage(run) -> None:
    assert run("listvolumes", "--bid-price", "1")[0] == 2
    assert run("--nonsense", "listvolumes")[0] == 2


@pytest.mark.parametrize("words", [["sshmaster", "c", "ls", "-la"], ["sshnode", "c", "n", "ls", "-la", "/home"]])
def test_an_option_of_the_remote_command_is_told_its_place(run, words: list[str]) -> None:
    code, _, err = run(*words)
    assert (code, "No such option '-l'" in err or "No such option: -l" in err) == (2, True)
    assert "Put -- before the command" in err
    assert "Put --" not in run("listvolumes", "--bid-price", "1")[2]


def test_a_template_as_a_word_is_told_its_option(run) -> None:
    code, _, err = run("start", "small", "mine")
    assert (code, "starcluster start -c small TAG" in err) == (2, True)
    assert "start -c" not in run("start")[2] + run("addnode", "mine", "one")[2]


@pytest.mark.parametrize(
    "words", [["createvolume", "-1", "us-east-1a"], ["local", "capacity", "c5.large", "-1"], ["cv", "-n", "x", "-1"]]
)
def test_a_negative_number_is_no_unknown_option(run, words: list[str]) -> None:
    code, _, err = run(*words)
    assert (code, "-1 is not in the range" in err) == (2, True)
    assert err.startswith(f"Usage: starcluster {words[0]} ")


def test_types_are_named_in_plain_words(run) -> None:
    assert "'many' is not an integer." in run("createvolume", "many", "us-east-1a")[2]
    assert "'x' is not a number." in run("createvolume", "-b", "x", "1", "us-east-1a")[2]


def test_a_missing_config_is_an_error_without_a_menu_where_nobody_can_answer(run, tmp_path: Path) -> None:
    code, out, err = run("-c", str(tmp_path / "none"), "listclusters")
    assert (code, out) == (1, "")
    assert err.startswith(f"!!! ERROR - config {tmp_path / 'none'} not found\n!!! ERROR - make one: cp ")


def test_an_own_error_is_told_with_its_hint_and_exit_code(run, verb) -> None:
    def fail() -> None:
        raise exception.SupervisionError("quota is used up", hint="ask for more")

    verb(fail)
    assert run("help") == (3, "", "!!! ERROR - quota is used up\n!!! ERROR - ask for more\n")


def test_the_return_value_of_a_verb_is_the_exit_code(run, verb) -> None:
    verb(lambda: 42)
    assert run("help")[0] == 42


@pytest.mark.parametrize("error", [KeyboardInterrupt, click.Abort])
def test_ctrl_c_says_what_may_be_left(run, verb, error: type[BaseException]) -> None:
    def fail() -> None:
        raise error

    verb(fail)
    code, _, err = run("help")
    assert code == 1
    assert "listclusters" in err


def test_a_fault_of_ours_leaves_a_report(run, verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARCLUSTER_HOME", str(tmp_path))

    def fail() -> None:
        raise ZeroDivisionError("oops")

    verb(fail)
    code, _, err = run("help")
    report = tmp_path / "logs" / f"crash-report-{os.getpid()}.txt"
    assert code == 1
    assert "!!! ERROR - ZeroDivisionError: oops\n" in err
    assert str(report) in err
    assert "in fail" in report.read_text()
    assert report.stat().st_mode & 0o777 == 0o600


def test_every_verb_has_its_file_its_topic_and_an_example() -> None:
    """The table is all that --help reads; it must tell the truth."""
    context = click.Context(cli.cli, info_name="starcluster")
    for name in VERBS:
        command = cli.cli.get_command(context, name)
        assert command is not None
        assert command.help, name
        assert "Example" in command.get_help(click.Context(command, info_name=name, parent=context)), name
    assert len(ALIASES) == sum(len(entry.aliases) for entry in VERBS.values())
    assert not set(ALIASES) & set(VERBS)


OPTIONS = click.Command(
    "x",
    params=[
        click.Option(["-n", "--name"]),
        click.Option(["--number"]),
        click.Option(["-f", "--force"], is_flag=True),
    ],
)


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        (["--na", "x"], ["--name", "x"]),
        (["--for"], ["--force"]),
        (["--na=x"], ["--name=x"]),
        (["--name", "--for"], ["--name", "--for"]),
        (["-n", "--for"], ["-n", "--for"]),
        (["-fn", "--for"], ["-fn", "--for"]),
        (["-nx", "--for"], ["-nx", "--force"]),
        (["--", "--for"], ["--", "--for"]),
        (["--unknown"], ["--unknown"]),
        (["word", "--he"], ["word", "--help"]),
    ],
)
def test_unique_prefixes_of_long_options(words: list[str], whole: list[str]) -> None:
    assert whole_options(OPTIONS, words) == whole


def test_an_ambiguous_prefix_is_wrong_usage() -> None:
    with pytest.raises(click.UsageError, match="--n could be --name, --number"):
        whole_options(OPTIONS, ["--n", "x"])


def test_an_ambiguous_prefix_is_told_with_the_verbs_usage(run) -> None:
    code, out, err = run("sshmaster", "--for", "c")
    assert (code, out) == (2, "")
    usage, told = err.splitlines()[:2]
    assert usage == "Usage: starcluster sshmaster [OPTIONS] TAG [COMMAND]..."
    assert told.startswith("!!! ERROR - ambiguous option: --for")


def test_global_prefixes_reach_the_verb_alone(run, tmp_path: Path) -> None:
    code, _, err = run("--conf", str(tmp_path / "none"), "removekey", "--conf", "k")
    assert code == 1
    assert str(tmp_path / "none") in err


HEAVY = ["boto3", "botocore", "paramiko", "rich", "moto", "asyncssh", "starcluster.app", "starcluster.localcloud"]


def test_help_loads_nothing_heavy() -> None:
    code = f"""
import sys
from starcluster import cli
assert cli.main(["--help"]) == 0
found = [name for name in {HEAVY} if name in sys.modules]
found += [name for name in sys.modules if name.startswith("starcluster.commands.") and not name.endswith("words")]
sys.exit(" ".join(found) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_output_to_a_reader_that_has_gone_is_no_crash(tmp_path: Path) -> None:
    line = f"{sys.executable} -m starcluster help 2>{tmp_path}/err | true; exit ${{PIPESTATUS[0]}}"
    subprocess.run(["bash", "-c", line], check=False, timeout=60)
    assert "ERROR" not in (tmp_path / "err").read_text()
