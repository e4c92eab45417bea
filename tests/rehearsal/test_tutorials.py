"""docs/tutorials/*.md, word for word, on one cluster: the one that README's first steps make.

pytest tests/rehearsal/test_tutorials.py --durations 0        how long each takes
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.stage import ROOT, Stage
from tests.rehearsal.test_tutorial import as_cloned, tutorial
from tests.rehearsal.typist import Typist, blocks_of, not_seen

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
SAMPLED = ("my-zone-ran-out", "i-lost-my-laptop")


class Laptop(Stage):
    """Its starcluster goes by HOME alone, as a user's does: a tutorial may change it."""

    def __init__(self, folder: Path, **more: Any) -> None:
        super().__init__(folder, **more)
        for name in ("STARCLUSTER_HOME", "STARCLUSTER_LOCAL"):
            del self.env[name]


@pytest.fixture(scope="module")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Path]]:
    """README's first steps, up to its driver."""
    stage = Laptop(Path(tmp_path_factory.mktemp("tutorials")))
    try:
        work = as_cloned(stage)
        blocks = tutorial()
        first = next(place for place, block in enumerate(blocks) if block.kind == "sh driver")
        Typist(stage, work).follow(blocks[:first])
        yield stage, work
    finally:
        stage.close()


def _marked(file: Path) -> Any:
    return pytest.param(file, id=file.stem, marks=() if file.stem in SAMPLED else pytest.mark.long)


@pytest.mark.parametrize("file", [_marked(file) for file in TUTORIALS])
def test_it_goes_as_it_is_written(cloned: tuple[Stage, Path], file: Path) -> None:
    stage, work = cloned
    blocks = blocks_of(file.read_text())
    assert {"sh", "text"} <= {block.kind for block in blocks}
    Typist(stage, work).follow(blocks)


def test_the_four_of_them_are_there_and_linked() -> None:
    told = (ROOT / "docs" / "drives.md").read_text()
    assert len(TUTORIALS) == 4
    for file in TUTORIALS:
        assert f"(tutorials/{file.name})" in told


def test_a_promise_that_is_not_kept_is_told() -> None:
    printed = [">>> drive data: vol-1 is free\n", "state: available\n", "zone: us-east-1a\n"]
    assert not_seen([">>> drive data: vol-... is free", "zone: ..."], printed) == []
    assert not_seen(["state: avail"], printed) == ["state: avail"]
    assert not_seen(["zone: us-east-1a", "state: available"], printed) == ["state: available"], "in this order"
