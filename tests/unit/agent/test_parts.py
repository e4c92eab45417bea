"""The agent's small parts: files, times, the process table, and that an old Python can read it all."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import starcluster.agent
from starcluster.agent import files, processes
from starcluster.agent.imds import Imds, parse_time
from starcluster.agent.runs import Follower
from tests.unit.agent.conftest import FakeImds

SOURCES = sorted(Path(starcluster.agent.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_python_3_8_reads_it(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    lazy = any(isinstance(one, ast.ImportFrom) and one.module == "__future__" for one in tree.body)
    assert lazy or path.name == "__init__.py", "annotations must not be evaluated"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_it_imports_the_standard_library_only(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        module = node.module if isinstance(node, ast.ImportFrom) else ""
        words = [one.name for one in node.names] if isinstance(node, ast.Import) else [module or ""]
        for word in words:
            top = word.split(".")[0]
            assert not top or top in sys.stdlib_module_names or word.startswith("starcluster.agent"), word


def test_times() -> None:
    assert parse_time("1970-01-01T00:01:00Z") == 60
    assert parse_time("1970-01-01T00:01:00.250Z") == 60.25
    with pytest.raises(ValueError):
        parse_time("tomorrow")


def test_a_file_is_old_or_new(tmp_path: Path) -> None:
    path = str(tmp_path / "x.json")
    assert files.read_json(path) is None
    files.write_json(path, {"a": 1})
    assert files.read_json(path) == {"a": 1}
    Path(path).write_text("[1]")
    assert files.read_json(path) is None
    Path(path).write_text('{"a":')
    assert files.read_json(path) is None
    assert os.listdir(tmp_path) == ["x.json"]


def test_a_process_is_known_by_pid_and_start() -> None:
    child = subprocess.Popen(["sleep", "60"])
    identity = [child.pid, processes.start_of(child.pid)]
    assert processes.is_alive(identity)
    assert not processes.is_alive([child.pid, identity[1] + 1])
    assert child.pid in processes.members(os.getpid(), 0)
    child.kill()
    child.wait()
    assert not processes.is_alive(identity)
    assert not processes.is_alive(None)


def test_progress_is_read_from_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("progress: 1/10\nprogress: 2/")
    follower = Follower(str(log))
    assert follower.read()
    assert (follower.first, follower.step, follower.total) == (1, 1, 10)
    assert not follower.read()
    with log.open("a") as out:
        out.write("10\nnoise\n")
    assert follower.read()
    assert (follower.first, follower.step) == (1, 2)
    log.write_text("progress: 9/10\n")
    assert follower.read()
    assert follower.step == 9


def test_no_news_is_none_and_a_new_token_is_fetched(imds: FakeImds) -> None:
    service = Imds(imds.base)
    assert service.notice() is None
    imds.token = "token-2"
    imds.notice(30)
    found = service.notice()
    assert found is not None
    assert found["action"] == "terminate"
    imds.status = 503
    with pytest.raises(OSError, match="503"):
        service.rebalance()
