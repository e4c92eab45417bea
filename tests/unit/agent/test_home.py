"""The shared home goes away, hangs or fills up under the agent."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import threading
from pathlib import Path

import pytest

from starcluster.agent import processes
from starcluster.agent.daemon import Daemon
from starcluster.agent.home import FULL, HANGS, LOST, OK, Home
from starcluster.agent.places import Places
from tests.unit.agent.conftest import Agent, until

GIB = 1 << 30
ROW = "{id} 1 7:{device} / {path} rw - ext4 /dev/loop{device} rw\n"


class Watched:
    """A home in a folder of its own, with a mount table and a child process that says what a file says."""

    def __init__(self, folder: Path, *, is_mount: bool = False, real: bool = False, limit: float = 20.0) -> None:
        self.path, self.table, self.word = folder / "home", folder / "table", folder / "word"
        self.path.mkdir()
        self.changes: list[tuple[str, str, float]] = []
        self.mount(30, 1)
        self.free(5 * GIB)
        told = {} if real else {"ask": [sys.executable, "-S", "-c", f"print(open({str(self.word)!r}).read())"]}
        self.home = Home(
            str(self.path),
            scale=0.001,  # hours pass between two checks that nobody calls for
            is_mount=is_mount,
            changed=lambda *words: self.changes.append(words),
            table=str(self.table),
            limit=limit,
            **told,
        )

    def mount(self, number: int, device: int) -> None:
        self.table.write_text(
            ROW.format(id=1, device=9, path="/") + ROW.format(id=number, device=device, path=self.path)
        )

    def free(self, space: int) -> None:
        self.word.write_text(json.dumps({"free": space, "size": 100 * GIB}))

    def fail(self, number: int) -> None:
        self.word.write_text(json.dumps({"errno": number, "error": os.strerror(number)}))

    def check(self) -> str:
        self.home.check()
        return self.home.state

    @property
    def states(self) -> list[str]:
        return [state for state, _, _ in self.changes]


def test_a_home_is_asked_for_by_a_child(tmp_path: Path) -> None:
    seen = Watched(tmp_path, real=True)
    assert (seen.check(), seen.changes) == (OK, [])
    first = seen.home.checked
    seen.path.rmdir()
    assert seen.check() == LOST
    assert seen.changes == [(LOST, "No such file or directory", first)]
    assert seen.home.view() == {"state": "lost", "why": "No such file or directory"}
    assert not seen.home.is_usable
    seen.path.mkdir()
    assert seen.check() == OK
    assert seen.home.is_usable


@pytest.mark.parametrize("number", [errno.ENOTCONN, errno.ESTALE, errno.EIO])
def test_every_error_is_a_loss_and_told_once(tmp_path: Path, number: int) -> None:
    seen = Watched(tmp_path)
    seen.fail(number)
    assert [seen.check(), seen.check()] == [LOST, LOST]
    assert seen.states == [LOST]
    assert seen.home.why == os.strerror(number)


def test_one_that_does_not_answer_holds_up_nobody_and_is_asked_by_one_child_only(tmp_path: Path) -> None:
    seen = Watched(tmp_path, limit=0.2)
    os.mkfifo(tmp_path / "fifo")
    seen.word.unlink()
    seen.word.symlink_to(tmp_path / "fifo")  # to open it for reading waits for a writer
    assert seen.check() == HANGS
    child = seen.home._stuck
    assert child is not None
    until(lambda: child.poll() is not None, "the child's end")
    seen.word.unlink()
    seen.free(GIB)
    assert seen.check() == OK
    assert seen.states == [HANGS, OK]


def test_a_child_that_can_not_be_killed_is_not_joined_by_another(tmp_path: Path) -> None:
    seen = Watched(tmp_path, limit=0.2)
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("import time\nprint(1)\ntime.sleep(60)\n")
    seen.home._ask = [sys.executable, "-S", str(sleeper)]
    assert seen.check() == HANGS
    child = seen.home._stuck
    assert child is not None
    child.poll = lambda: None  # type: ignore[method-assign]  # as one in the kernel's hands
    assert seen.check() == HANGS
    assert seen.home._stuck is child
    child.wait()


def test_a_child_that_fails_itself_says_nothing(tmp_path: Path) -> None:
    seen = Watched(tmp_path)
    for text in ("not json", "[1]", "null"):
        seen.word.write_text(text)
        assert seen.check() == OK


def test_an_unmounted_home_is_lost_though_its_folder_is_there(tmp_path: Path) -> None:
    seen = Watched(tmp_path, is_mount=True)
    assert seen.check() == OK
    seen.table.write_text(ROW.format(id=1, device=9, path="/"))
    assert seen.check() == LOST
    assert seen.home.why == f"nothing is mounted at {seen.path}"


def test_one_mounted_anew_between_two_checks_was_lost_for_those_who_used_it(tmp_path: Path) -> None:
    seen = Watched(tmp_path)
    seen.check()
    first = seen.home.checked
    seen.mount(31, 1)
    seen.check()
    assert seen.changes == [(LOST, "it was mounted anew", first), (OK, "", first)]
    seen.check()
    assert len(seen.changes) == 2


def test_a_full_one_is_full_until_there_is_room_worth_the_name(tmp_path: Path) -> None:
    seen = Watched(tmp_path)
    seen.free(0)
    assert seen.check() == FULL
    assert seen.home.is_usable
    assert seen.home.why == "0 MiB are free of 102400"
    seen.free(GIB)
    assert seen.check() == FULL, "one per cent"
    seen.free(GIB + (1 << 20))
    assert seen.check() == OK
    seen.free(1)
    assert seen.check() == OK
    assert seen.states == [FULL, OK]


def test_a_write_without_room_counts_though_others_have_some(tmp_path: Path) -> None:
    """A quota of the user's own."""
    seen = Watched(tmp_path)
    seen.home.write_failed(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert seen.check() == FULL
    assert seen.home.why == "Disk quota exceeded"
    seen.home.write_went_well()
    assert seen.check() == OK


def test_the_watch_checks_at_once_when_somebody_doubts(tmp_path: Path) -> None:
    seen = Watched(tmp_path)
    ended = threading.Event()
    watch = threading.Thread(target=seen.home.run, args=(ended,))
    watch.start()
    try:
        until(lambda: seen.home.checked, "the first check")
        seen.fail(errno.ESTALE)
        seen.home.write_failed(OSError(errno.ESTALE, "Stale file handle"))
        until(lambda: seen.home.state == LOST, "the second one")
    finally:
        ended.set()
        seen.home.look_now()
        watch.join()


# the agent with it


def lose(agent: Agent) -> Path:
    """From now on every use of the home is an error; where it is kept."""
    kept = agent.root / "kept"
    Path(agent.places.home).rename(kept)
    Path(agent.places.home).symlink_to("home")
    return kept


def give_back(agent: Agent, kept: Path) -> None:
    Path(agent.places.home).unlink()
    kept.rename(agent.places.home)


def state(agent: Agent) -> str:
    return str(agent.report()["home"]["state"])


def events(agent: Agent) -> list[tuple[str, object]]:
    return [(one["event"], one.get("attempt")) for one in agent.report()["stamps"] if one["event"].startswith("home-")]


def test_the_agent_tells_of_a_lost_home_and_starts_nothing_there(agent: Agent) -> None:
    agent.start()
    assert state(agent) == "ok"
    kept = lose(agent)
    until(lambda: state(agent) == "lost", "the loss")
    refused = agent.run("true")
    assert not refused["ok"]
    assert "can not be used" in refused["error"]
    assert not Path(agent.places.attempt("mynode", 1)).exists()
    give_back(agent, kept)
    until(lambda: state(agent) == "ok", "the return")
    assert agent.run("true")["started"]
    assert events(agent) == [("home-lost", None), ("home-back", None)]


def test_a_command_that_ends_with_its_home_lost_is_told_apart(agent: Agent) -> None:
    agent.start()
    home = agent.places.home
    agent.run(f"while test -d {home}; do sleep 0.05; done; exit 3", workdir="/")
    kept = lose(agent)
    until(lambda: agent.report()["run"]["state"] == "exited", "the command's end")
    until(lambda: agent.report()["run"]["home_lost"] is not None, "the judgement")
    run = agent.report()["run"]
    assert (run["exit"], run["home_lost"]) == (3, True)
    assert events(agent) == [("home-lost", 1)]
    agent.kill()
    agent.start()
    assert agent.report()["run"]["home_lost"] is True, "also an agent started anew knows"
    give_back(agent, kept)
    until(lambda: state(agent) == "ok", "the return")
    agent.run("exit 4", attempt=2, workdir="/")
    until(lambda: agent.report()["run"]["state"] == "exited", "the second end")
    until(lambda: agent.report()["run"]["home_lost"] is False, "the judgement of one that failed by itself")


def test_a_command_that_has_just_failed_is_judged_after_the_next_check(tmp_path: Path) -> None:
    """Its end may be the first sign of the loss."""
    places = Places(str(tmp_path))
    places.make()
    daemon = Daemon(places, {"name": "mynode"})
    view = {"attempt": 1, "state": "exited", "exit": 3, "boot_id": daemon.boot, "ended_at": 20.0}
    daemon.home.checked = 19.0
    assert daemon._lost_home(view) is None
    assert daemon._lost_home(dict(view, exit=0)) is False
    assert daemon._lost_home(dict(view, state="running", exit=None)) is False
    assert daemon._lost_home(dict(view, boot_id="another")) is False
    daemon.home.checked = 20.0
    assert daemon._lost_home(view) is False
    daemon.home.checked = 19.0
    daemon.drain.stamp("home-lost", attempt=1)
    assert daemon._lost_home(view) is True
    assert daemon._lost_home(dict(view, attempt=2)) is None


def test_who_asks_for_the_judgement_hastens_it(agent: Agent) -> None:
    agent.start(scale=0.001)
    agent.run("exit 3", workdir="/")
    until(lambda: agent.report()["run"]["state"] == "exited", "the command's end")
    until(lambda: agent.report()["run"]["home_lost"] is False, "the judgement")


def test_the_home_is_watched_beside_a_publisher_that_hangs(agent: Agent) -> None:
    """A pipe in the report's place lets whoever writes it wait, as a dead NFS server does."""
    agent.start()
    pid = agent.pid()
    draft = Path(f"{agent.places.report('mynode')}.{pid}.new")

    def stuck() -> bool:
        with contextlib.suppress(FileExistsError, FileNotFoundError):  # a draft is there for a moment at a time
            os.mkfifo(draft)
        return draft.is_fifo()

    until(stuck, "the pipe")
    kept = lose(agent)
    until(lambda: state(agent) == "lost", "the loss")
    assert processes.is_alive([pid, processes.start_of(pid)])
    give_back(agent, kept)
