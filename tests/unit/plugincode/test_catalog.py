"""What a file offers, by its text."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster.plugincode.catalog import offers_of

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
