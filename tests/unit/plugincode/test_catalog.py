"""What a file offers, by its text."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster.plugincode.catalog import offers_of, offers_of_folder

OLD_STYLE = "from starcluster import clustersetup as cs\nclass A(cs.ClusterSetup):\n    '''One.\n\n    More.'''\n"


@pytest.mark.parametrize(("installed", "language"), [(True, "Python 3"), (False, "Python 2")])
def test_what_is_installed_is_python_3(tmp_path: Path, installed: bool, language: str) -> None:
    (tmp_path / "a.py").write_text(OLD_STYLE)
    [offer] = offers_of(tmp_path / "a.py", module="a", source="own", installed=installed)
    assert (offer.setup_class, offer.language, offer.summary) == ("a.A", language, "One.")


def test_a_file_that_can_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x = '\xff'\n")
    [offer] = offers_of(tmp_path / "a.py", module="a", source="own")
    assert "line 1 holds a byte" in offer.problem
    (tmp_path / "b.py").mkdir()
    [offer] = offers_of(tmp_path / "b.py", module="b", source="own")
    assert "can not be read" in offer.problem


@pytest.mark.parametrize(
    "text",
    [
        "from starcluster.plugins.tmux import TmuxControlCenter\nclass A(TmuxControlCenter): pass\n",
        "from starcluster.plugins import tmux as t\nclass A(t.TmuxControlCenter): pass\n",
        "from starcluster.plugins.tmux import TmuxControlCenter as T\nclass A(T): pass\n",
    ],
)
def test_what_derives_from_a_bundled_plugin_is_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.py").write_text(text + "class B(dict): pass\n")
    assert [offer.setup_class for offer in offers_of(tmp_path / "a.py", module="a", source="own")] == ["a.A"]


def test_a_file_may_have_a_name_that_no_import_could_say(tmp_path: Path) -> None:
    for name in ("old-plugin.py", ".hidden.py", "a.copy.py"):
        (tmp_path / name).write_text(OLD_STYLE)
    assert [offer.setup_class for offer in offers_of_folder(tmp_path, source="own")] == ["old-plugin.A"]
