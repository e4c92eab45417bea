"""The training example keeps its promise: interrupted anyhow, it ends with the weights of a run that was not."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

PROGRAM = Path(__file__).parents[3] / "examples" / "digits" / "train.py"
STEPS = 60


def start(out: Path, *options: str, attempt: int = 1) -> subprocess.Popen[str]:
    words = [sys.executable, str(PROGRAM), "--steps", str(STEPS), "--out", str(out), *options]
    env = {**os.environ, "STARCLUSTER_ATTEMPT": str(attempt)}
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=env)


def interrupt(process: subprocess.Popen[str], number: signal.Signals, *, after: str) -> str:
    """Send the signal when a line with `after` was printed; returns everything that was printed."""
    printed = ""
    with process:
        for line in process.stdout or ():
            printed += line
            if after in line:
                process.send_signal(number)
    return printed


def digest(out: Path) -> str:
    return json.loads((out / "metrics.json").read_text())["weights_sha256"]


def executed(out: Path) -> list[int]:
    return [int(line.split()[1]) for line in (out / "steps.log").read_text().splitlines()]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    printed, _ = start(out).communicate()
    assert "begins at step 0" in printed
    return out


def test_it_learns_to_read_digits(uninterrupted: Path) -> None:
    metrics = json.loads((uninterrupted / "metrics.json").read_text())
    assert metrics["accuracy"] > 0.6
    assert executed(uninterrupted) == list(range(STEPS))


def test_sigterm_loses_and_repeats_no_step(tmp_path: Path, uninterrupted: Path) -> None:
    first = start(tmp_path, "--pace", "0.1", "--every", "0.3")
    printed = interrupt(first, signal.SIGTERM, after="because=interval")
    assert first.returncode == 128 + signal.SIGTERM
    taken = printed.split("because=SIGTERM sha256=")[1].split()[0]
    resumed, _ = start(tmp_path, attempt=2).communicate()
    assert f"from checkpoint sha256={taken}" in resumed
    assert executed(tmp_path) == list(range(STEPS))
    assert digest(tmp_path) == digest(uninterrupted)


class AskedAtRead:
    """A stopper that is asked between two looks at it: from its n-th look on."""

    def __init__(self, number: int) -> None:
        self.left = number

    @property
    def asked(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("number", range(6))
def test_whenever_sigterm_comes_the_last_step_is_in_the_checkpoint(
    tmp_path: Path, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    program = runpy.run_path(str(PROGRAM))
    options = SimpleNamespace(steps=STEPS, every=1e9, pace=0.0, seed=1, rate=0.1)
    network = program["Network"](4, options.seed)
    training = program["read_digits"](PROGRAM.with_name("digits.csv.gz"))[:100]
    checkpoint = program["Checkpoint"](tmp_path / "checkpoint.bin", {})
    with (tmp_path / "steps.log").open("w") as steps:
        done = program["run_steps"](options, network, training, 0, checkpoint, steps, AskedAtRead(number), 1)
    assert checkpoint.load(network)[0] == done < STEPS
    assert f"checkpoint at step {done} because=SIGTERM" in capsys.readouterr().out


def test_kill_repeats_at_most_the_steps_since_the_checkpoint(tmp_path: Path, uninterrupted: Path) -> None:
    first = start(tmp_path, "--pace", "0.1", "--every", "0.5")
    interrupt(first, signal.SIGKILL, after="because=interval")
    assert first.returncode == -signal.SIGKILL
    start(tmp_path, attempt=2).communicate()
    steps = executed(tmp_path)
    assert sorted(set(steps)) == list(range(STEPS))
    assert len(steps) - STEPS <= 0.5 / 0.1 + 1
    assert digest(tmp_path) == digest(uninterrupted)


def test_a_damaged_checkpoint_is_refused_and_kept(tmp_path: Path) -> None:
    interrupt(start(tmp_path, "--pace", "0.1", "--every", "0.3"), signal.SIGTERM, after="because=interval")
    path = tmp_path / "checkpoint.bin"
    damaged = path.read_bytes()[:-8] + b"\0" * 8
    path.write_bytes(damaged)
    again = start(tmp_path)
    again.communicate()
    assert again.returncode == 1
    assert path.read_bytes() == damaged
