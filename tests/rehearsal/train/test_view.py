"""What a person sees: the table on a terminal, sentences in a pipe, a farewell at the end of the watching."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.rehearsal.stage import ROOT
from tests.rehearsal.train.conftest import TAG, Scene, until

STEPS = (
    "trap 'exit 0' TERM; i=0; while test ! -e /home/{0}.go; do "
    "i=$((i+1)); echo progress: $i/9999; sleep 0.1; done; echo progress: 9999/9999"
)
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A driver on a terminal of its own, and all that it wrote there."""

    def __init__(self, scene: Scene, *words: str, columns: int) -> None:
        ours, theirs = pty.openpty()
        self._ours, self.raw = ours, ""
        self.resize(columns)
        env = {name: value for name, value in scene.env.items() if name != "COLUMNS"}
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "aws_train.py"), *words],
            env={**env, "TERM": "xterm-256color"},
            cwd=scene.folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._ours, 65536)
            except OSError:
                return
            if not data:
                return
            self.raw += data.decode("utf-8", "replace")

    @property
    def text(self) -> str:
        return _CODES.sub("", self.raw).replace("\r", "")

    def shows(self, pattern: str) -> None:
        try:
            until(lambda: re.search(pattern, self.text), f"'{pattern}' on the terminal")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text[-3000:]}") from None

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def ends(self, status: int) -> str:
        ended = self.process.wait(90)
        self._reader.join(10)
        assert ended == status, self.text
        assert self.raw.count(HIDE) == self.raw.count(SHOW) == 1
        assert self.raw.rindex(SHOW) > self.raw.rindex(HIDE)
        assert "Traceback" not in self.text
        return self.text

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@contextmanager
def terminal(scene: Scene, *words: str, columns: int = 150) -> Iterator[Terminal]:
    made = Terminal(scene, *words, columns=columns)
    try:
        yield made
    finally:
        made.close()


def node(scene: Scene, name: str) -> dict[str, object]:
    shown = json.loads(scene.starcluster("nodes", TAG, "--json").stdout)
    return next(one for one in shown if one["name"] == name)


def test_a_table_with_bars_a_countdown_and_costs(scene: Scene) -> None:
    scene.write(seen=STEPS.format("seen"))
    with terminal(scene, "seen") as screen:
        screen.shows(r"seen +works +\S+ +\d+% +\d+[hms]")
        screen.resize(60)
        screen.process.send_signal(signal.SIGWINCH)
        scene.interrupt("seen")
        screen.shows(r"seen +taken in 0:0\d")
        screen.shows(r"\d\d:\d\d:\d\d >>> seen: attempt 2 runs on i-\w+")
        scene.on_master("touch /home/seen.go")
        text = screen.ends(0)
    assert re.search(r"its machines ran 0:\d\d:\d\d in all, about \$0\.\d+ by EC2's prices", " ".join(text.split()))
    after = node(scene, "seen")
    assert (after["machines"], after["interruptions"], after["cost_is_whole"]) == (2, 1, True)
    assert 0 < after["cost_usd"] < after["on_demand_usd"]


def test_ctrl_c_leaves_the_terminal_as_it_was(scene: Scene) -> None:
    scene.write(left=STEPS.format("left"))
    with terminal(scene, "left", columns=60) as screen:
        screen.shows(r"left +works")
        screen.type("\x03")
        text = screen.ends(130)
    assert "goes on running, and costing" in text
    assert max(map(len, re.findall(r"^left .*$", text, re.MULTILINE))) <= 60
    scene.remove("left")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), pytest.param(signal.SIGHUP, 129, marks=pytest.mark.long)]
)
def test_a_driver_that_is_sent_away_says_what_goes_on(scene: Scene, number: signal.Signals, status: int) -> None:
    name = f"sent{number}"
    scene.write(**{name: STEPS.format(name)})
    driver = scene.drive(name)
    driver.says("attempt 1 runs")
    driver.process.send_signal(number)
    text = driver.ends(status)
    assert "goes on running, and costing" in text
    assert len(scene.alive(name)) == 1
    assert node(scene, name)["watched_by"] is None
    scene.remove(name)
    templates = scene.ec2().describe_launch_templates(LaunchTemplateNames=[f"sc-{TAG}-{name}"])["LaunchTemplates"]
    (spent,) = [tag["Value"] for tag in templates[0]["Tags"] if tag["Key"] == "@sc-spent"]
    assert json.loads(spent)[0] == 1, "removenode has counted what its machine cost"


@pytest.mark.long
def test_a_pipe_gets_sentences_with_the_time_and_no_codes(scene: Scene) -> None:
    scene.write(piped="true")
    text = scene.drive("piped").ends(0)
    assert "\x1b" not in text
    lines = [line for line in text.splitlines() if "piped" in line]
    assert len(lines) > 5
    assert all(re.match(r"\d\d:\d\d:\d\d >>> ", line) for line in lines), text


@pytest.mark.long
def test_typing_errors_are_told_before_anything_is_begun(scene: Scene) -> None:
    wrong = {"zones": "us-east-1q", "instance_type": "c5.larg", "run_as": "sgeadmim", "fallback": "ondemand"}
    for setting, value in wrong.items():
        scene.write(typo={"command": "true", setting: value})
        text = scene.drive("typo").ends(2)
        assert setting in text
        assert value in text
    assert scene.instances("typo") == []


@pytest.mark.long
def test_a_cost_that_nobody_wrote_down_survives_a_lost_laptop(scene: Scene) -> None:
    """The driver is killed, its node is taken while nobody looks; the next driver has neither journal nor memory."""
    scene.write(lost=STEPS.format("lost"))
    first = scene.drive("lost")
    first.says("attempt 1 runs")
    first.kill()
    scene.interrupt("lost", notice=0)
    until(lambda: not scene.alive("lost"), "the end of its node")
    journal = scene.config.parent / "journal"
    journal.rename(journal.with_name("lost-journal"))
    scene.on_master("touch /home/lost.go")
    scene.drive("lost").ends(0)
    after = node(scene, "lost")
    assert (after["machines"], after["interruptions"], after["cost_is_whole"]) == (2, 1, True)
