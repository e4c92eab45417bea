"""A file is the old one or the new one, and nothing is left beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from starcluster import wholefile


@pytest.mark.parametrize(
    ("content", "written"),
    [("tätig\r\n\udcff", "tätig\r\n".encode() + b"\xff"), (b"\x00\xff\r\n", b"\x00\xff\r\n")],
)
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_it_is_written_as_it_is(tmp_path: Path, content: str | bytes, written: bytes, mode: int) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    wholefile.replace(path, content, mode=mode)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (written, mode)
    assert os.listdir(tmp_path) == ["file"]


def test_what_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(IsADirectoryError):
        wholefile.replace(tmp_path / "file", "new")
    with pytest.raises(FileNotFoundError):
        wholefile.replace(tmp_path / "nowhere" / "file", b"new")
    with pytest.raises(UnicodeEncodeError):
        wholefile.replace(tmp_path / "other", "\ud800")
    assert os.listdir(tmp_path) == ["file"]
