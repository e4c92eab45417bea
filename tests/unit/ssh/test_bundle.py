"""Scripts in one go, on a real bash."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from starcluster import exception
from starcluster.ssh.bundle import Bundle


class Bash:
    """This machine's bash in the place of a node's."""

    def __init__(self) -> None:
        self.runs = 0

    def run(self, command: str, *, data: bytes = b"", timeout: float | None = None) -> tuple[int, bytes, bytes]:
        self.runs += 1
        words = command.removeprefix("exec ").split()
        done = subprocess.run(words, input=data, capture_output=True, timeout=30, check=False)
        return done.returncode, done.stdout, done.stderr


def test_each_part_has_its_own_output_in_one_run() -> None:
    bash, bundle = Bash(), Bundle()
    first = bundle.script("echo one; echo two", what="first")
    nothing = bundle.script("true", what="nothing")
    last = bundle.script("printf 'no end'", what="last", secret=True)
    assert first == []
    bundle.run(bash, "node")
    assert (first, nothing, last) == (["one", "two"], [], ["no end"])
    assert bash.runs == 1


def test_parts_keep_to_themselves() -> None:
    bash, bundle = Bash(), Bundle()
    bundle.script("word=mine; cd /; return 0; echo never", what="early")
    seen = bundle.script('echo "${word:-unset}"', what="after")
    read = bundle.script("cat", what="no input")
    bundle.run(bash, "node")
    assert (seen, read) == (["unset"], [])


def test_the_first_failure_ends_the_rest_and_is_named(tmp_path: Path) -> None:
    bash, bundle = Bash(), Bundle()
    bundle.script("echo private-key", what="read the key", secret=True)
    bundle.script("echo tried; echo why >&2; false; echo on", what="mount /home")
    bundle.script(f"touch {tmp_path}/done", what="after")
    with pytest.raises(exception.RemoteCommandFailed) as caught:
        bundle.run(bash, "mynode")
    assert str(caught.value) == "mount /home: status 1 on mynode\ntried\nwhy"
    assert not (tmp_path / "done").exists()


def test_an_unset_variable_is_a_failure() -> None:
    bundle = Bundle()
    bundle.script("echo $nobody", what="odd")
    with pytest.raises(exception.RemoteCommandFailed, match=r"^odd: "):
        bundle.run(Bash(), "node")


def test_nothing_to_do_is_not_done() -> None:
    bash = Bash()
    Bundle().run(bash, "node")
    assert bash.runs == 0


def test_the_output_of_secret_parts_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    bundle = Bundle()
    bundle.script("echo private-key", what="read the key", secret=True)
    with caplog.at_level("DEBUG", logger="starcluster"):
        bundle.run(Bash(), "node")
    assert "read the key" in caplog.text
    assert "private-key" not in caplog.text
