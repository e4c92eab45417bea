"""README's tutorial, word for word: its shell blocks are typed in order, the driver's in a terminal of its own."""

from __future__ import annotations

import json
import re
import subprocess
import time

from tests.rehearsal.stage import ROOT, Stage

DRIVER = "python aws_train.py"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def tutorial() -> list[str]:
    """The shell blocks of the section `## Tutorial`, in order."""
    section = (ROOT / "README.md").read_text().split("\n## Tutorial\n")[1].split("\n## ")[0]
    return BLOCK.findall(section)


def typed(block: str) -> str:
    """What is typed: without the line that enters .venv, whose place is the test's own environment."""
    return "\n".join(line for line in block.splitlines() if ".venv/bin/activate" not in line)


def wait_for(driver: subprocess.Popen[str], word: str, *, limit: float = 90) -> str:
    """Read the driver's lines until one has the word."""
    read, end = "", time.monotonic() + limit
    for line in driver.stdout or ():
        read += line
        if word in line:
            return read
        assert time.monotonic() < end, read
    raise AssertionError(f"the driver ended before it said '{word}':\n{read}")


def test_the_tutorial_works_as_it_is_written(stage: Stage) -> None:
    stage.config.unlink()
    stage.folder.joinpath("work").mkdir()
    work = stage.folder / "work"
    for name in ("config.example", "train_example.cfg", "aws_train.py", "examples", "starcluster", "plugins"):
        (work / name).symlink_to(ROOT / name)
    blocks = tutorial()
    assert sum(DRIVER in block for block in blocks) == 1
    driver = None
    for block in blocks:
        if DRIVER in block:
            driver = stage.start("bash", "-ec", typed(block), cwd=work)
            wait_for(driver, "the command works")
            continue
        if driver is not None and "starcluster get" in block:
            rest, _ = driver.communicate(timeout=150)
            assert driver.returncode == 0, rest
        stage.run("bash", "-ec", typed(block), cwd=work)
    metrics = json.loads((work / "metrics.json").read_text())
    assert metrics["attempt"] == 2
    left = stage.starcluster("listvolumes").stdout
    assert "Name=home" in left
    assert "status: available" in left
    assert "No clusters" in stage.starcluster("listclusters").stdout
