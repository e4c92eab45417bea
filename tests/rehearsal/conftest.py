"""Rehearsals: whole commands, as a user types them, against a local cloud of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.leftovers import host_links
from tests.rehearsal.stage import Stage


@pytest.fixture(scope="session", autouse=True)
def _the_host_is_untouched() -> Iterator[None]:
    before = host_links()
    yield
    assert host_links() == before


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()
