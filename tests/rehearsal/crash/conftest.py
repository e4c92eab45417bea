"""One cloud and one cluster for all points."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rehearsal.crash.job import Arena, JobCall
from tests.rehearsal.train.conftest import started


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with started(Arena(tmp_path_factory.mktemp("arena"), speed=200)) as made:
        yield made


@pytest.fixture(scope="module")
def record(arena: Arena) -> list[JobCall]:
    return arena.recorded()
