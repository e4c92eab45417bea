"""Packages of the nodes' distribution on all nodes, by apt on Debian and Ubuntu, by dnf or yum elsewhere.

    [plugin packages]
    SETUP_CLASS = starcluster.plugins.pkginstaller.PackageInstaller
    PACKAGES = htop, build-essential     # names as the nodes' distribution has them; name=version with apt

Nothing is asked, a package manager that works already is waited for, and what is there is left as it is. A package
that can not be had is named; the others are installed all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starcluster.nodeplugin import NodePlugin

if TYPE_CHECKING:
    from starcluster.cluster.node import Node


class PackageInstaller(NodePlugin):
    def __init__(self, packages: str) -> None:
        self.packages = packages.replace(",", " ").split()

    def set_up(self, node: Node, user: str) -> None:
        node.software.install(self.packages)
