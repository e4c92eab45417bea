"""The Python shell: what is in it, and programs from stdin."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.ec2 import FakeEc2
from tests.unit.commands.conftest import Run
from tests.unit.commands.test_lists import launch


@pytest.fixture
def program(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run a program from stdin; the Result."""
    monkeypatch.setenv("STARCLUSTER_CONFIG", str(tmp_path / "config"))
    (tmp_path / "config").write_text("[global]\nCLOUD = local\n")

    def call(text: str, *words: str):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        monkeypatch.setattr("sys.argv", ["starcluster"])
        return run("shell", *words)

    return call


def test_a_program_sees_the_clusters_and_ec2(program, ec2: FakeEc2) -> None:
    launch(ec2, "master")
    text = "def aliases():\n    return [one.alias for one in ec2.instances.find()]\nprint(cfg.cloud, aliases(), cm, s3)"
    result = program(text)
    assert result.code == 0
    assert result.out.startswith("local ['master'] <Clusters: us-east-1> ")


def test_starclusters_names_are_there_too(program, ec2: FakeEc2) -> None:
    launch(ec2, "master")
    text = """
print(cm.get_cluster("demo", require_keys=False), cm.get_clusters(load_receipt=False), cm.get_cluster_or_none("other"))
"""
    assert re.fullmatch(r"<Cluster: demo \(\S+\)> \[<Cluster: demo \(\S+\)>\] None\n", program(text).out)


def test_the_config_is_shown_in_short(program, tmp_path: Path) -> None:
    assert program("print(cfg)").out == f"<Config: {tmp_path}/config (CLOUD = local, templates: none)>\n"


OLD = """
import sys
print "%s of" % sys.argv[1], sys.argv[0].rsplit("/", 1)[-1]
cfg = config.StarClusterConfig(); cfg.load()
try:
    cm.get_cluster(sys.argv[2]).start()
except exception.ClusterDoesNotExist, e:
    print e.msg, {}.has_key("a"), cfg.globals.get("cloud")
"""


def test_a_program_may_be_python_2_with_words_and_starclusters_modules(program, ec2: FakeEc2) -> None:
    result = program(OLD, "gone")
    assert (result.code, result.err) == (0, "")
    assert result.out == "shell of starcluster\ncluster 'gone' does not exist False local\n"


def test_options_behind_the_first_word_are_the_programs(program) -> None:
    assert program("import sys; print(*sys.argv[2:])", "demo", "--port", "1", "-p").out == "demo --port 1 -p\n"
    assert program("", "--port", "8080").code == 2


def test_what_neither_python_knows_is_told_as_python_3_tells_it(program) -> None:
    result = program("print(1\nx = = 2\n")
    assert result.code == 1
    assert "SyntaxError: '(' was never closed" in result.err


@pytest.mark.parametrize(
    ("text", "code"), [("", 0), ("import sys; sys.exit(7)", 7), ("raise SystemExit", 0), ("exit('no')", 1), ("1/0", 1)]
)
def test_its_exit_status_is_ours(program, ec2: FakeEc2, text: str, code: int) -> None:
    result = program(text)
    assert result.code == code
    assert ("ZeroDivisionError" in result.err) is (text == "1/0")
    assert (result.err == "no\n") is ("no" in text)


def test_without_ipyparallel_it_is_said_what_to_do(program, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipyparallel", None)
    result = program("", "-p", "c")
    assert (result.code, "pip install ipyparallel" in result.err) == (1, True)


PLAIN = """
import sys
sys.modules["IPython"] = None
from starcluster.commands.shell import _BANNER, _open
_open({"answer": 42}, _BANNER.format(version="3"))
"""


def until(terminal: int, wanted: bytes) -> bytes:
    """What comes from the terminal up to these words, or to its end."""
    told = b""
    while wanted not in told:
        try:
            told += os.read(terminal, 4096)
        except OSError:  # the other end is closed: so a terminal ends
            break
    return told


@pytest.mark.timeout(30)
def test_on_a_terminal_it_is_a_shell_with_a_history_of_its_own(tmp_path: Path) -> None:
    master, terminal = pty.openpty()
    env = {**os.environ, "STARCLUSTER_HOME": str(tmp_path / "new"), "TERM": "dumb"}
    with subprocess.Popen([sys.executable, "-c", PLAIN], stdin=terminal, stdout=terminal, stderr=terminal, env=env):
        os.close(terminal)
        told = until(master, b">>> ")
        os.write(master, b"print(answer * 100)\n")
        told += until(master, b"4200")
        os.write(master, b"exit()\n")
        until(master, b"never said")
    os.close(master)
    assert b"cfg   the config" in told
    assert b"4200" in told
    history = tmp_path / "new" / "shell_history"
    assert "print(answer * 100)" in history.read_text()
    assert history.stat().st_mode & 0o777 == 0o600
