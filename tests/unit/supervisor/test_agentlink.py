"""A word with an agent: the log that it reads for us, how it comes to the node, what its report says."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster import exception
from starcluster.supervisor import agentlink
from starcluster.supervisor.look import Stamp
from starcluster.supervisor.tail import read_log, read_tail
from tests.unit.supervisor.stage import Scene
from tests.unit.supervisor.world import wish


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


class OneShell:
    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self.answers, self.asked = list(answers), 0

    def run(self, command: str, *, data: bytes = b"", timeout: float | None = None) -> tuple[int, bytes, bytes]:
        self.asked += 1
        status, output = self.answers.pop(0)
        return status, output, b""


def test_a_log_is_asked_for_again_when_there_was_no_agent() -> None:
    absent, there = (127, b""), (0, b"")
    text = (0, b'{"ok": true, "attempt": 2, "text": "hi", "offset": 2}')
    assert read_log(OneShell(absent, there, text), "mynode").text == "hi"


def test_other_trouble_with_a_log_is_told() -> None:
    with pytest.raises(exception.BaseException, match="is away"):
        read_log(OneShell((0, b'{"ok": false, "kind": "failed", "error": "the volume is away"}')), "mynode")


@pytest.mark.parametrize(("found", "words"), [(0, "has no log yet"), (3, "has no log of attempt 3")])
def test_a_log_that_is_not_there_is_told(found: int, words: str) -> None:
    answer = f'{{"ok": true, "attempt": {found}, "error": "no such file"}}'.encode()
    with pytest.raises(exception.BaseException, match=words):
        read_log(OneShell((0, answer)), "mynode", attempt=found)


def test_without_a_master_there_is_no_tail(scene: Scene) -> None:
    observer = scene.driver(wish()).sites[0].observer
    with pytest.raises(exception.MasterDoesNotExist):
        read_tail(observer, "mynode", lines=3)


def test_the_tail_comes_over_the_master(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    observer = driver.sites[0].observer
    text = OneShell((0, b'{"ok": true, "attempt": 2, "text": "hi", "offset": 2}'))
    observer.machines.shell = lambda node: text  # type: ignore[method-assign]
    assert read_tail(observer, "mynode", lines=3).attempt == 2


def test_a_node_without_python_is_told_with_the_next_step() -> None:
    with pytest.raises(agentlink.AgentError, match="no python3") as caught:
        agentlink.install(OneShell((1, b""), (3, b"the node has no python3")))
    assert caught.value.kind == "no python"
    with pytest.raises(agentlink.AgentError, match="no space") as caught:
        agentlink.install(OneShell((1, b""), (1, b"no space left")))
    assert caught.value.kind == "failed"


def test_a_stamp_keeps_what_it_says() -> None:
    words = {"instance_id": "i-1", "boot_id": "b", "phase": "idle", "stamps": [{"event": "synced", "at": 2, "more": 3}]}
    assert agentlink.parse_report(words).stamps == (Stamp(event="synced", at=2.0, detail={"more": 3}),)
