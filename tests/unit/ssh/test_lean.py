"""What a verb loads before it speaks to a node."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import starcluster.ssh.client
assert "paramiko" in sys.modules and "invoke" not in sys.modules
import invoke
print(invoke.__name__)
"""


def test_paramiko_comes_without_invoke_which_can_still_be_had() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "invoke\n"), done.stderr
