"""One cloud and one cluster for all points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.leftovers import processes_naming
from tests.rehearsal.crash.job import Arena, Call


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    folder = Path(tmp_path_factory.mktemp("arena"))
    made = Arena.__new__(Arena)
    try:
        made.__init__(folder)  # type: ignore[misc]  # a start that fails leaves a cloud, which must be closed
        yield made
    finally:
        made.close()
    assert processes_naming(made.cloud) == {}


@pytest.fixture(scope="module")
def record(arena: Arena) -> list[Call]:
    return arena.recorded()
