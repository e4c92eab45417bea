"""One start of a node, as the stages of cloud-init see it."""

from dataclasses import dataclass
from pathlib import Path

from starcluster.localcloud.hosts.cloudinit_journal import ENVIRONMENT, Journal
from starcluster.localcloud.hosts.cloudinit_userdata import UserData


@dataclass(frozen=True, kw_only=True)
class Start:
    """Who the node is, what was asked of it, and where to tell."""

    instance_id: str
    directory: Path
    default_user: str
    authorized_keys: tuple[str, ...]
    asked: UserData
    journal: Journal

    def done(self, what: str) -> bool:
        """Whether `what`, which is meant once per instance, was done before."""
        return (self.directory / "sem" / what).exists()

    def mark(self, what: str) -> None:
        """Remember that `what` was done, or was begun and must not be begun again."""
        path = self.directory / "sem" / what
        path.parent.mkdir(exist_ok=True)
        path.touch()

    @property
    def environment(self) -> dict[str, str]:
        """For everything that user data runs."""
        return {
            **ENVIRONMENT,
            "USER": "root",
            "INSTANCE_ID": self.instance_id,
        }
