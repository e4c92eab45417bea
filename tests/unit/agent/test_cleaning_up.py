"""A test that is killed leaves no agent and no command behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.leftovers import Guard
from tests.unit.agent.conftest import until

ROOT = Path(__file__).parents[3]
_DOOMED = """
import sys, time
from pathlib import Path
from tests.unit.agent.conftest import Agent

agent = Agent(Path(sys.argv[1]), "http://127.0.0.1:9")
agent.start()
agent.run("setsid sleep 4242 & sleep 4242")
print("ready", flush=True)
time.sleep(60)
"""


def using(folder: Path) -> list[str]:
    """The programs that have the folder in their environment or their command line."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes()
            text = words + (place / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in text and int(place.name) != os.getpid():
            found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return found


def test_a_killed_test_leaves_no_process(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    own = Guard(root)
    try:
        words = [sys.executable, "-c", _DOOMED, str(root)]
        doomed = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert doomed.stdout is not None
        with doomed.stdout as lines:
            assert lines.readline() == "ready\n"
            assert sum("sleep 4242" in one for one in using(root)) >= 2
            doomed.send_signal(signal.SIGKILL)
            doomed.wait()
            until(lambda: [one for one in using(root) if "guard" not in one] == [], "the end of all its processes")
    finally:
        own.close()
