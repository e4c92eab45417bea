"""The values that pass between the API daemon and the hosts agent."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


class HostsError(Exception):
    """The hosts agent could not do what it was asked; the message says why."""


class _Plain:
    """Dataclasses that travel as plain JSON objects."""

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """From a JSON object; keys of a newer writer are ignored."""
        known = {one.name for one in fields(cls)}  # type: ignore[arg-type]
        return cls(**{key: value for key, value in values.items() if key in known})

    def plain(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True, kw_only=True)
class NodeSpec(_Plain):
    """What a node is to be.

    `user_data` is as the user gave it (decoded from base64). `metadata` is the IMDS tree below
    /latest/meta-data, with the extra keys that the contract names. `boot_seconds` is how long the SSH server
    waits before it accepts. `public_ip` is a name for the dialer, no address of the node. The files below `tree`, a
    directory of the host, are laid over the node's / at every boot. `root_snapshot`, the id of a snapshot of some root
    disk, is what its own root disk begins with; without one it begins empty. `root_gib` is the disk's size
    when it is made.
    """

    instance_id: str
    private_ip: str
    hostname: str
    mac: str
    public_ip: str | None = None
    user_data: bytes = b""
    authorized_keys: tuple[str, ...] = ()
    default_user: str = "ubuntu"
    image: str = "ubuntu-24.04"
    metadata: dict[str, Any] = field(default_factory=dict)
    boot_seconds: float = 0.0
    tree: str = ""
    root_snapshot: str = ""
    root_gib: int = 8

    def plain(self) -> dict[str, Any]:
        """As a JSON object; user data as text, one character a byte."""
        return {**super().plain(), "user_data": self.user_data.decode("latin-1")}

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """From a JSON object made by `plain`."""
        data = values.get("user_data", "").encode("latin-1")
        keys = tuple(values.get("authorized_keys", ()))
        return super().of({**values, "user_data": data, "authorized_keys": keys})


@dataclass(frozen=True, kw_only=True)
class NodeState(_Plain):
    """How a node is doing. `ready` says that its SSH server has accepted connections since this boot."""

    alive: bool
    pid: int
    boot_id: str
    ready: bool


@dataclass(frozen=True, kw_only=True)
class Event(_Plain):
    """Something that a node did by itself. `how` is "poweroff", "reboot" or "died"; numbers only rise."""

    number: int
    kind: str
    instance_id: str
    how: str
