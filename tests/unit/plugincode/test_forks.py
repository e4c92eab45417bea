"""Plugins and texts that a fork of StarCluster put into the program itself, from the user's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster import exception, pluginloader
from starcluster.plugincode import forks

PLUGIN = """\
from starcluster import clustersetup
from starcluster.templates import queue_texts
from starcluster.plugins import queue_words

class Queue(clustersetup.DefaultClusterSetup):
    def text(self):
        return queue_texts.TEXT % queue_words.words().keys()[0]
"""


@pytest.fixture
def fork(folder: Path) -> Path:
    (folder / "lent_queue.py").write_text(PLUGIN)
    (folder / "queue_words.py").write_text("def words():\n    return {'slots': 0}\n")
    (folder / "templates").mkdir()
    (folder / "templates" / "queue_texts.py").write_text("TEXT = `1` + ' %s'\n")
    return folder


@pytest.mark.parametrize("setup_class", ["starcluster.plugins.lent_queue.Queue", "lent_queue.Queue"])
def test_a_config_of_a_fork_goes_on_working(fork: Path, setup_class: str) -> None:
    assert pluginloader.load("q", setup_class, {}).text() == "1 slots"  # type: ignore[attr-defined]


def test_what_we_have_ourselves_comes_first(folder: Path) -> None:
    (folder / "boto.py").write_text("raise SystemError('not this one')\n")
    plugin = pluginloader.load("b", "starcluster.plugins.boto.BotoPlugin", {})
    assert type(plugin).__module__ == "starcluster.plugins.boto"


@pytest.mark.parametrize(
    ("setup_class", "place"),
    [("starcluster.plugins.nowhere.X", "plugins/nowhere.py"), ("wants_texts.X", "plugins/templates/other_texts.py")],
)
def test_where_the_file_is_to_go_is_told(folder: Path, setup_class: str, place: str) -> None:
    (folder / "wants_texts.py").write_text("from starcluster.templates import other_texts\n")
    with pytest.raises(exception.PluginLoadError) as caught:
        pluginloader.load("q", setup_class, {})
    assert caught.value.hint.endswith(f"comes from a fork of StarCluster, copy its file to {folder.parent / place}")


@pytest.mark.parametrize("module", ["starcluster", "starcluster.cluster", "starcluster.plugins.a.b", "plugins.a"])
def test_no_other_module_is_looked_for(module: str) -> None:
    assert forks.place_of(module, Path("/p")) is None
