"""Python packages on all nodes.

    [plugin pythons]
    SETUP_CLASS = starcluster.plugins.pypkginstaller.PyPkgInstaller
    PACKAGES = numpy, pandas>=2,<3       # as pip takes them, by commas or one a line
    INSTALL_COMMAND =                    # pip install --break-system-packages %s: your own way instead

Without INSTALL_COMMAND they go into a venv, /opt/starcluster/python, which sees the system's own packages too. Its
`python` and `pip` come first in every login shell, so that logins, commands of train.cfg and the plugin ipcluster use
it. Why not system-wide, as in StarCluster's days: Debian 12, Ubuntu 24.04 and others refuse that to pip (PEP 668),
because what it overwrites belongs to their package manager and to tools that stand on it. With INSTALL_COMMAND exactly
that command is run as root for each package, in the place of %s, without a venv.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starcluster.nodeplugin import NodePlugin

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

_NOT_IN_BRACKETS = re.compile(r",(?![^\[]*\])")
_GOES_ON = re.compile(r"\s*[<>=!~]")


class PyPkgInstaller(NodePlugin):
    def __init__(self, packages: str, install_command: str = "") -> None:
        self.packages = requirements(packages)
        self.command = install_command.strip()

    def set_up(self, node: Node, user: str) -> None:
        if not self.packages:
            return
        if self.command:
            node.software.install_by(self.command, self.packages)
        else:
            node.software.install_python(self.packages)


def requirements(text: str) -> list[str]:
    """`a, b[x,y]>=1,<2` and lines of such as pip's requirements."""
    found: list[str] = []
    for piece in (piece for line in text.splitlines() for piece in _NOT_IN_BRACKETS.split(line)):
        if _GOES_ON.match(piece) and found:
            found[-1] += "," + piece.strip()
        elif piece.strip():
            found.append(piece.strip())
    return found
