"""What is needed to talk to any node of a cluster, gathered once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from starcluster.clock import Clock
from starcluster.ssh.dialer import Dialer, TcpDialer
from starcluster.ssh.hostkeys import KnownHosts
from starcluster.ssh.proxy import SsmDialer

if TYPE_CHECKING:
    from starcluster.ssh.client import SSHClient


@dataclass(frozen=True, kw_only=True)
class Access:
    """The dialer, the private key and the known hosts; `strict` refuses nodes whose key nobody vouches for.

    `login_user`: whom an image lets in where root may not log in, "" = nobody is named.
    """

    key_file: Path | None
    dialer: Dialer = field(default_factory=TcpDialer)
    known: KnownHosts = field(default_factory=KnownHosts)
    clock: Clock = field(default_factory=Clock)
    strict: bool = False
    login_user: str = ""

    def way_to(self, instance_id: str) -> Dialer:
        """The dialer for that instance: the Session Manager knows no addresses."""
        return self.dialer.to(instance_id) if isinstance(self.dialer, SsmDialer) else self.dialer

    def client(self, instance_id: str, host: str, *, user: str = "root", label: str = "") -> SSHClient:
        """A client for that instance, not yet connected."""
        from starcluster.ssh.client import SSHClient

        return SSHClient(
            host,
            username=user,
            private_key=str(self.key_file) if self.key_file else None,
            dialer=self.way_to(instance_id),
            known=self.known,
            instance_id=instance_id,
            strict=self.strict,
            label=label,
        )
