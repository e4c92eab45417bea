"""README's tutorial, word for word: its shell blocks are typed in order, the driver's in a terminal of its own."""

from __future__ import annotations

import json
from pathlib import Path

from tests.rehearsal.stage import ROOT, Stage
from tests.rehearsal.typist import Block, Typist, blocks_of


def tutorial() -> list[Block]:
    """The blocks of the section `## Tutorial`, in order."""
    section = (ROOT / "README.md").read_text().split("\n## Tutorial\n")[1].split("\n## ")[0]
    return blocks_of(section)


def as_cloned(stage: Stage) -> Path:
    """A folder with what a clone has and the tutorials name; of starcluster's own there is nothing yet."""
    stage.config.unlink()
    work = stage.folder / "work"
    work.mkdir()
    for name in ("config.example", "train_example.cfg", "aws_train.py", "examples", "starcluster", "plugins"):
        (work / name).symlink_to(ROOT / name)
    return work


def test_the_tutorial_works_as_it_is_written(stage: Stage) -> None:
    work = as_cloned(stage)
    blocks = tutorial()
    assert [block.kind for block in blocks if "driver" in block.kind] == [
        "sh driver",
        "text driver",
        "text driver ends",
    ]
    Typist(stage, work).follow(blocks)
    metrics = json.loads((work / "metrics.json").read_text())
    assert metrics["attempt"] == 2
    left = stage.starcluster("listvolumes").stdout
    assert "Name=home" in left
    assert "status: available" in left
    assert "No clusters" in stage.starcluster("listclusters").stdout
