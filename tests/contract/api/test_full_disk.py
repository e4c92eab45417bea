"""The host's disk is full: said before a launch, survived in the middle of one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = 'mount -t tmpfs -o size=400m none "$1" && exec "$2" -m tests.contract.api.full_disk "$1"'


@pytest.mark.long
def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    """The small disk is mounted in a namespace that ends with the script, whatever ends that."""
    words = ["unshare", "--mount", "sh", "-c", SCRIPT, "sh", str(tmp_path), sys.executable]
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    told = rf"the disk of {tmp_path} is full: \d+ MB free"
    assert seen["before"] is None
    assert re.search(rf"{told}, \d+ MB needed", seen["create"])
    assert re.search(rf"{told}, \d+ MB needed", seen["boot"])
    assert seen["write"] != 0
    assert re.fullmatch(told, seen["full"])
    assert seen["answers"] is True
    assert seen["kept"] == "kept"
    assert seen["after"] is None
    assert seen["stored"] == [{"Key": "a", "Value": "b"}]
