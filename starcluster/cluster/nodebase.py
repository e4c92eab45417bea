"""What the parts of Node rely on; each part (hosts, accounts, shares, disks, packages) is a file of its own."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from starcluster.ssh.bundle import Bundle
from starcluster.ssh.hostkeys import HostKey

if TYPE_CHECKING:
    from starcluster.ssh.client import SSHClient

LOCK = "mkdir -p /run/lock; exec 9>/run/lock/starcluster-{name}; flock -w 60 9"


class NodeBase:
    """A machine with a name, reached by SSH as root."""

    @property
    def alias(self) -> str:
        raise AttributeError("alias")

    @property
    def id(self) -> str:
        raise AttributeError("id")

    @property
    def ssh(self) -> SSHClient:
        raise AttributeError("ssh")

    def together(self) -> AbstractContextManager[Bundle]:
        """Scripts that are asked for inside (in this thread) are run in one go at its end; see ssh/bundle.py."""
        raise AttributeError("together")

    @property
    def private_ip_address(self) -> str:
        raise AttributeError("private_ip_address")

    @property
    def network_names(self) -> dict[str, str]:
        raise AttributeError("network_names")

    @property
    def host_keys(self) -> Sequence[HostKey]:
        """Its SSH host keys as far as they are known here."""
        raise AttributeError("host_keys")


def lock(name: str) -> str:
    """A line of bash that holds a lock on the node until the script ends: several set-ups may meet there."""
    return LOCK.format(name=name)


def words(items: Sequence[str]) -> str:
    """The items as words of a shell command."""
    return " ".join(shlex.quote(item) for item in items)
