"""What the program's log is told while a config is read."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from starcluster.logger import log


@pytest.fixture
def log_lines() -> Iterator[list[str]]:
    """Line by line."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Keep(logging.INFO)
    log.addHandler(handler)
    yield lines
    log.removeHandler(handler)
