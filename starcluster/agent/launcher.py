"""How this program calls itself: as the zip file that it is on a node, or as a module in a checkout."""

from __future__ import annotations

import os
import sys


def launcher() -> list[str]:
    program = sys.argv[0]
    if program.endswith(".pyz"):
        return [sys.executable, "-I", os.path.abspath(program)]
    return [sys.executable, "-m", "starcluster.agent.node"]
