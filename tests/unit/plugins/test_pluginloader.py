"""From section to plugin: what is passed, what is refused, what is said."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from starcluster import exception, pluginloader
from starcluster.plugins.spotworker import SpotWorker

GOOD = """# python3
from starcluster.clustersetup import ClusterSetup

class Good(ClusterSetup):
    def __init__(self, needed, envName="x", *args, **kwargs):
        self.needed, self.name, self.rest = needed, envName, kwargs

class Refusing(ClusterSetup):
    def __init__(self, number="1"):
        self.number = int(number)

class Foreign:
    pass
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("STARCLUSTER_HOME", str(tmp_path))
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "own_plugin.py").write_text(GOOD)
    before = list(sys.path)
    yield folder
    sys.path[:] = before
    for name in ("own_plugin", "bad_syntax", "bad_import"):
        sys.modules.pop(name, None)


def test_settings_become_arguments_and_unknown_ones_are_left_out(folder: Path) -> None:
    plugin = pluginloader.load("mine", "own_plugin.Good", {"needed": "a", "envname": "b", "other": "c"})
    assert (plugin.needed, plugin.name, plugin.rest) == ("a", "b", {})  # type: ignore[attr-defined]
    assert plugin.__name__ == "mine"  # type: ignore[attr-defined]
    assert plugin.__plugin_metadata__[0] == "own_plugin.Good"  # type: ignore[attr-defined]


def test_an_unknown_setting_is_told_once_with_what_may_be_meant(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        pluginloader.load("typo", "own_plugin.Good", {"needed": "a", "envnam": "b"})
    told = capsys.readouterr().out
    assert told == "*** WARNING - [plugin typo]: the plugin knows no setting ENVNAM, did you mean ENVNAME?\n"


def test_missing_arguments_are_listed(folder: Path) -> None:
    with pytest.raises(exception.PluginError, match="'mine' needs needed"):
        pluginloader.load("mine", "own_plugin.Good", {})


@pytest.mark.parametrize(
    ("setup_class", "told"),
    [
        ("Good", "has no module"),
        ("own_plugin.Absent", "has no class Absent"),
        ("own_plugin.Foreign", "is not a kind of"),
        ("no_such_plugin.X", "can not be imported"),
    ],
)
def test_wrong_classes_are_told(folder: Path, setup_class: str, told: str) -> None:
    with pytest.raises(exception.PluginError, match=told):
        pluginloader.load("mine", setup_class, {})


def test_broken_files_are_told_with_their_line(folder: Path) -> None:
    (folder / "bad_syntax.py").write_text("# python3\nprint 'x'\n")
    with pytest.raises(exception.PluginSyntaxError, match=r"bad_syntax\.py line 2") as caught:
        pluginloader.load("mine", "bad_syntax.X", {})
    assert "Python 2" in caught.value.hint
    (folder / "bad_import.py").write_text("\n1 / 0\n")
    with pytest.raises(exception.PluginLoadError, match=r"ZeroDivisionError.*bad_import\.py line 2"):
        pluginloader.load("mine", "bad_import.X", {})


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("import no_such_package.part", "-m pip install no_such_package"),
        ("import boto", "boto3 is its successor"),
        ("from fabric.api import run", "node.ssh.execute"),
        ("import starcluster.nothing_of_that_name", "docs/plugin-api.md tells"),
        ("from . import sibling", "plugins of your own lie in"),
    ],
)
def test_what_to_do_about_a_module_that_is_not_there(folder: Path, line: str, step: str) -> None:
    (folder / "bad_import.py").write_text(f"# python3\n{line}\n")
    with pytest.raises(exception.PluginLoadError, match=r"bad_import\.py line 2") as caught:
        pluginloader.load("mine", "bad_import.X", {})
    assert step in caught.value.hint


def test_a_plugin_that_is_not_there_itself_is_looked_for_in_the_folder(folder: Path) -> None:
    with pytest.raises(exception.PluginLoadError) as caught:
        pluginloader.load("mine", "no_such_plugin.X", {})
    assert caught.value.hint == f"plugins of your own lie in {folder}"


def test_a_constructor_that_fails_is_told(folder: Path) -> None:
    with pytest.raises(exception.PluginLoadError, match=r"ValueError: invalid literal.*own_plugin\.py line 10"):
        pluginloader.load("mine", "own_plugin.Refusing", {"number": "many"})


def test_the_collection_is_starcluster_plugins() -> None:
    plugin = pluginloader.load("w", "starcluster.plugins.spotworker.SpotWorker", {"nodes": "a, b"})
    assert isinstance(plugin, SpotWorker)
