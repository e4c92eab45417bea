"""train.cfg: what is read, and what is said about what can not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster import exception
from starcluster.model import Market
from starcluster.supervisor.trainfile import node_sections, read_sections
from starcluster.supervisor.wishes import After, Fallback, read_wishes

ROOT = Path(__file__).parents[3]
LEAST = "cluster_name = c\ninstance_type = c5.large\ncommand = true\n"


def read(tmp_path: Path, text: str, *names: str) -> list[object]:
    path = tmp_path / "train.cfg"
    path.write_text(text)
    return list(read_wishes(path, names or ("mynode",)))


def one(tmp_path: Path, more: str = "") -> object:
    return read(tmp_path, f"[mynode]\n{LEAST}{more}")[0]


def test_the_least_and_its_defaults(tmp_path: Path) -> None:
    found = one(tmp_path)
    assert (found.name, found.cluster, found.instance_types, found.command) == ("mynode", "c", ("c5.large",), "true")
    assert (found.market, found.max_price, found.fallback) == (Market.SPOT, None, Fallback.NONE)
    assert (found.on_success, found.on_failure, found.max_restarts) == (After.RELEASE, After.RELEASE, 3)


def test_all_settings(tmp_path: Path) -> None:
    text = """
spot_bid = 0.25
zones = us-east-1a, us-east-1b
fallback = on-demand
spot_max_wait = 60
User = me
Project = digits
node_check_interval = 30
run_as = sgeadmin
workdir = /tmp
environment =
    A=1
    B=two words
max_restarts = 0
stop_timeout = 90
stop_signal_to = all
setup_command = pip install x
checkpoint_command =
    cp state $STARCLUSTER_CHECKPOINT_DIR
    sync
checkpoint_timeout = 40
rebalance = ignore
log_limit = 1
silent_limit = 300
on_success = keep
on_failure = keep
"""
    found = one(tmp_path, text)
    assert (found.max_price, found.zones, found.spot_max_wait) == (0.25, ("us-east-1a", "us-east-1b"), 60)
    assert found.tags == {"User": "me", "Project": "digits"}
    assert found.environment == {"A": "1", "B": "two words"}
    assert (found.check_interval, found.stop_timeout, found.max_restarts) == (30, 90, 0)
    assert (found.stop_signal_to, found.rebalance, found.setup_command) == ("all", "ignore", "pip install x")
    assert found.checkpoint_command == "cp state $STARCLUSTER_CHECKPOINT_DIR\nsync"
    assert (found.checkpoint_timeout, found.log_limit, found.silent_limit) == (40, 1, 300)
    assert (found.run_as, found.workdir, found.on_success) == ("sgeadmin", "/tmp", After.KEEP)


def test_a_command_is_raw_and_keeps_its_lines(tmp_path: Path) -> None:
    command = "command =\n  set -e\n  echo 100% ; echo $HOME # no comment\n"
    text = f"[mynode]\n{LEAST.replace('command = true', '')}{command}"
    (found,) = read(tmp_path, text)
    assert found.command == "set -e\necho 100% ; echo $HOME # no comment"


def test_a_comment_stands_on_a_line_of_its_own(tmp_path: Path) -> None:
    found = one(tmp_path, "# a comment\n; another\nworkdir = /a;b#c\n")
    assert found.workdir == "/a;b#c"


def test_machine_types_in_their_order(tmp_path: Path) -> None:
    (found,) = read(tmp_path, "[mynode]\n" + LEAST.replace("c5.large", "c5.large, c5.xlarge"))
    assert found.instance_types == ("c5.large", "c5.xlarge")


def test_names_are_compared_without_case_and_kept_as_written(tmp_path: Path) -> None:
    (found,) = read(tmp_path, f"[VD2D]\n{LEAST}", "vd2d", "VD2D")
    assert found.name == "VD2D"


def test_a_section_with_a_space_is_no_node(tmp_path: Path) -> None:
    path = tmp_path / "train.cfg"
    path.write_text(f"[drive data]\nx = 1\n[mynode]\n{LEAST}")
    assert node_sections(read_sections(path)) == ["mynode"]


def test_only_the_named_section_is_checked(tmp_path: Path) -> None:
    (found,) = read(tmp_path, f"[mynode]\n{LEAST}[broken]\nspot_bid = cheap\n")
    assert found.name == "mynode"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("spot_bid = cheap", ["spot_bid", "'cheap' is not a number"]),
        ("spot_bid = -1", ["spot_bid", "less than 0"]),
        ("spot_bid = nan", ["spot_bid"]),
        ("spot_bid = 0.0005", ["spot_bid", "EC2 takes no bid"]),
        ("market = free", ["market", "spot, on-demand"]),
        ("fallback = pray", ["fallback", "none, on-demand"]),
        ("node_check_interval = 0", ["node_check_interval"]),
        ("on_success = stop", ["on_success", "can not be stopped"]),
        ("environment = A", ["environment", "KEY=VALUE"]),
        ("environment = STARCLUSTER_NODE=x", ["environment"]),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, more: str, words: list[str]) -> None:
    with pytest.raises(exception.ConfigSettingError) as caught:
        one(tmp_path, more + "\n")
    for word in ["train.cfg", "[mynode]", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize("setting", ["cluster_name", "instance_type", "command"])
def test_what_is_missing_is_named(tmp_path: Path, setting: str) -> None:
    text = "".join(line + "\n" for line in LEAST.splitlines() if not line.startswith(setting))
    with pytest.raises(exception.ConfigSettingError, match=f"{setting}: is missing"):
        read(tmp_path, "[mynode]\n" + text)


def test_on_demand_nodes_can_be_stopped(tmp_path: Path) -> None:
    assert one(tmp_path, "market = on-demand\non_success = stop\n").on_success is After.STOP


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a = 1\n", "line 1"),
        ("[x]\na = 1\n[x]\n", "given twice"),
        ("[x]\na = 1\nA = 2\n", "given twice"),
        ("[x]\nnonsense\n", "line 2"),
    ],
)
def test_a_malformed_file_is_told_with_its_line(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(exception.ConfigError, match=word):
        read(tmp_path, text)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(exception.ConfigNotFound) as caught:
        read_wishes(tmp_path / "train.cfg", ["mynode"])
    assert "train_example.cfg" in caught.value.hint


def test_an_unknown_node_and_its_neighbours(tmp_path: Path) -> None:
    with pytest.raises(exception.UsageError) as caught:
        read(tmp_path, f"[mynode]\n{LEAST}", "mynoed")
    assert "mynoed" in str(caught.value)
    assert "did you mean 'mynode'" in caught.value.hint


def test_a_name_that_no_host_can_have(tmp_path: Path) -> None:
    with pytest.raises(exception.InvalidAlias):
        read(tmp_path, f"[my_node]\n{LEAST}", "my_node")


def test_an_unknown_setting_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one(tmp_path, "max_restart = 1\n")
    assert "did you mean 'max_restarts'" in capsys.readouterr().out


def test_the_example_reads_and_so_does_what_it_shows_commented_out(tmp_path: Path) -> None:
    text = (ROOT / "train_example.cfg").read_text()
    (found,) = read(tmp_path, text)
    assert "--steps" in found.command
    lines = text.splitlines()
    at = lines.index("#[VD2D]")
    shown = "\n".join(line.removeprefix("#") for line in lines[at:])
    both = read(tmp_path, shown, "VD2D", "VD2D3D")
    assert all("flock" in one.command and "mkl" in one.command for one in both)


def test_the_examples_commented_settings_are_the_defaults(tmp_path: Path) -> None:
    text = (ROOT / "train_example.cfg").read_text()
    (bare,) = read(tmp_path, text)
    for setting in ("market", "fallback", "spot_max_wait", "node_check_interval", "max_restarts", "stop_timeout"):
        assert f"\n#{setting} = " in text
        (same,) = read(tmp_path, text.replace(f"\n#{setting} = ", f"\n{setting} = "))
        assert same == bare
