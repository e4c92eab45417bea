"""A plugin folder of its own for each test, whose modules are forgotten afterwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from starcluster.plugincode import importing


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("STARCLUSTER_HOME", str(tmp_path))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    folder = tmp_path / "plugins"
    folder.mkdir()
    before, modules = list(sys.path), {*sys.modules}
    importing.prepare()
    yield folder
    sys.path[:] = before
    for name in {*sys.modules} - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
