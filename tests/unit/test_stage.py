"""What a rehearsal starts ends with it, also when the tests are killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.rehearsal.stage import ROOT

PROGRAM = """
import sys, time
from pathlib import Path
from tests.rehearsal.stage import Stage

stage = Stage(Path(sys.argv[1]))
print(stage.start("sleep", "600").pid, flush=True)
stage.run("sleep", "601", limit=600)
"""


def lives(pid: int) -> bool:
    """Whether it runs; one that nobody has reaped does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def sleeps(pid: int) -> bool:
    """It is the program that was asked for: until then it is a copy of who starts it."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep\0")


def test_what_a_stage_has_started_dies_with_it(tmp_path: Path) -> None:
    words = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        started = [int(tests.stdout.readline())]
        children = Path(f"/proc/{tests.pid}/task/{tests.pid}/children")
        while len(started) < 2 or not all(map(sleeps, started)):
            started = [int(pid) for pid in children.read_text().split()]
        tests.kill()
    end = time.monotonic() + 10
    while any(map(lives, started)) and time.monotonic() < end:
        time.sleep(0.01)
    assert not any(map(lives, started))
