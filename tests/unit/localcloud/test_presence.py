"""What clouds leave below /run, with a directory of this test's own in its place."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from starcluster.localcloud import parts, places, presence
from starcluster.localcloud.places import Places


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "SOCKET_ROOT", tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def cloud(run: Path, tmp_path: Path) -> Places:
    return Places(tmp_path / "cloud")


def test_the_last_to_leave_clears_up(cloud: Places) -> None:
    first, second = presence.hold(cloud), presence.hold(cloud)
    (cloud.sockets / "agent.sock").touch()
    presence.leave(cloud, first)
    assert cloud.sockets.exists()
    presence.leave(cloud, second)
    assert not cloud.sockets.exists()
    assert cloud.folder.exists()


def test_what_the_dead_left_is_swept_away(cloud: Places, run: Path, tmp_path: Path) -> None:
    dead = Places(tmp_path / "dead")
    os.close(presence.hold(dead))
    (dead.sockets / "dev").mkdir()
    (dead.sockets / "control.sock").touch()
    held = presence.hold(cloud)
    (run / "something-else").mkdir()
    presence.sweep(run)
    assert {path.name for path in run.iterdir()} == {cloud.sockets.name, "something-else"}
    presence.leave(cloud, held)


@pytest.fixture
def starting(cloud: Places) -> Iterator[subprocess.Popen[bytes]]:
    """A process that will be of the cloud, and has no lock yet."""
    words = [sys.executable, "-c", "input()", "starcluster.localcloud.daemon", str(cloud.folder)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE)
    while not Path(f"/proc/{process.pid}/cmdline").read_bytes():
        pass  # Popen returns in the middle of the exec: the words are there a moment later
    yield process
    process.communicate(b"\n")


def test_a_cloud_that_is_starting_is_left_alone(cloud: Places, run: Path, starting: subprocess.Popen[bytes]) -> None:
    cloud.make()
    presence.sweep(run)
    assert cloud.sockets.exists()
    starting.kill()
    starting.wait()
    presence.sweep(run)
    assert not cloud.sockets.exists()


def test_each_cloud_has_its_own_part(run: Path, tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(parts.COUNT + 1)]
    for folder in folders:
        folder.mkdir()
    taken = [parts.take(folder, run) for folder in folders[:-1]]
    assert sorted(number for number, _ in taken) == list(range(parts.COUNT))
    with pytest.raises(parts.NoPartFree):
        parts.take(folders[-1], run)
    for _, fd in taken:
        os.close(fd)


def test_a_cloud_gets_its_part_again_while_that_is_free(run: Path, tmp_path: Path) -> None:
    number, fd = parts.take(tmp_path, run)
    os.close(fd)
    (tmp_path / "part").write_text(str((number + 7) % parts.COUNT))
    again, fd = parts.take(tmp_path, run)
    assert again == (number + 7) % parts.COUNT
    other, other_fd = parts.take(tmp_path, run)
    assert other == number, "its own is taken: the one that its name leads to"
    os.close(fd)
    os.close(other_fd)


def test_parts_that_nobody_has_are_swept_away(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    number, fd = parts.take(tmp_path, run)
    os.close(parts.take(other, run)[1])
    presence.sweep(run)
    assert [path.name for path in (run / "parts").iterdir()] == [str(number)]
    parts.give_back(number, run)
    assert not list((run / "parts").iterdir())
    os.close(fd)
