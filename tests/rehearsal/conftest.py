"""Rehearsals: whole commands, as a user types them, against a local cloud of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.leftovers import footprint, processes_naming
from tests.rehearsal.stage import Stage


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = footprint()
    yield
    assert footprint().more_than(before) == {}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()
    assert processes_naming(made.cloud) == {}
