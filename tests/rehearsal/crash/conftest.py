"""One cloud and one cluster for all points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.leftovers import processes_naming
from tests.rehearsal.crash.job import Arena, JobCall


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    made = Arena(Path(tmp_path_factory.mktemp("arena")), speed=200)
    try:
        made.prepare()
        yield made
    finally:
        made.close()
    assert processes_naming(made.cloud) == {}


@pytest.fixture(scope="module")
def record(arena: Arena) -> list[JobCall]:
    return arena.recorded()
