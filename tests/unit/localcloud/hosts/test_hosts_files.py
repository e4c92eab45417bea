"""Sparse images, their copies, and small records."""

import errno
import os
from pathlib import Path

import pytest

from starcluster.localcloud.hosts import files, volumes
from starcluster.localcloud.hosts.client import HostsError


def test_a_sparse_file_takes_no_room(tmp_path: Path) -> None:
    files.make_sparse(tmp_path / "a", 5 * files.GIB)
    status = (tmp_path / "a").stat()
    assert status.st_size == 5 * files.GIB
    assert status.st_blocks == 0
    assert status.st_mode & 0o777 == 0o600


def test_an_existing_image_is_never_made_anew(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("data")
    with pytest.raises(FileExistsError):
        files.make_sparse(tmp_path / "a", 10)


SIZE = 20 << 20


def image_with_data(path: Path) -> None:
    files.make_sparse(path, SIZE)
    with path.open("r+b") as file:
        for place in (0, 9 << 20, SIZE - 4096):
            file.seek(place)
            file.write(bytes([place % 251 + 1]) * 4096)


def test_a_copy_has_the_data_and_the_holes(tmp_path: Path) -> None:
    image_with_data(tmp_path / "a")
    files.sparse_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()
    assert (tmp_path / "b").stat().st_blocks * 512 < 1 << 20


def test_a_copy_onto_itself_gets_a_new_file_with_the_same_data(tmp_path: Path) -> None:
    path = tmp_path / "a"
    image_with_data(path)
    before, number = path.read_bytes(), path.stat().st_ino
    files.sparse_copy(path, path)
    assert path.read_bytes() == before
    assert path.stat().st_ino != number


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image_with_data(tmp_path / "a")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "copy_file_range", full)
    with pytest.raises(OSError, match="full"):
        files.sparse_copy(tmp_path / "a", tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


def test_a_file_system_without_range_copies_is_copied_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EXDEV, "cross device")

    image_with_data(tmp_path / "a")
    monkeypatch.setattr(os, "copy_file_range", refuse)
    files.sparse_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()


def test_a_record_is_private_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    assert files.read_json(path) is None
    files.write_json(path, {"a": 1})
    files.write_json(path, {"b": [2]})
    assert files.read_json(path) == {"b": [2]}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize(
    ("code", "text"),
    [(errno.ENOSPC, "vol-1 cannot be made: the disk of this machine is full"), (errno.EROFS, "Read-only file system")],
)
def test_a_disk_error_says_what_could_not_be_done(code: int, text: str) -> None:
    with pytest.raises(HostsError, match=text), volumes._disk_errors("vol-1 cannot be made"):
        raise OSError(code, os.strerror(code))
