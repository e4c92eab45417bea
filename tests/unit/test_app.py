"""The objects that a verb gets, and what is said as they are made."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster import cloud, exception
from starcluster.app import App, Options
from tests.unit.config.test_load import CLUSTER

TOLD = "[cluster c] KEYNAME: there is no section [key k]"


def test_a_broken_section_is_the_error_of_who_uses_it_and_a_warning_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cloud, "open_cloud", lambda *_, **__: None)
    path = tmp_path / "config"
    path.write_text(CLUSTER)
    app = App(Options(config=str(path), cloud="local"))
    with pytest.raises(exception.ConfigError, match="there is no section"):
        app.config.template("c")
    assert TOLD not in capsys.readouterr().err
    assert app.cloud is None
    assert capsys.readouterr().err.count(TOLD) == 1
