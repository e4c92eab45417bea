"""Where one local cloud keeps its things: its folder and, under /run, its sockets."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

DEFAULT_FOLDER = "~/.starcluster/local"
SOCKET_ROOT = Path("/run/starcluster-local")


def default_folder() -> Path:
    """The folder named by STARCLUSTER_LOCAL, or the default one below the home."""
    return Path(os.environ.get("STARCLUSTER_LOCAL") or DEFAULT_FOLDER).expanduser()


def digest(folder: Path) -> str:
    """A short name for a folder."""
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]


class Places:
    """Every path of the cloud that lives in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(os.path.realpath(Path(folder).expanduser()))

    @property
    def cloud_json(self) -> Path:
        return self.folder / "cloud.json"

    @property
    def lock(self) -> Path:
        return self.folder / "daemon.lock"

    @property
    def logs(self) -> Path:
        return self.folder / "log"

    @property
    def calls(self) -> Path:
        return self.logs / "calls.jsonl"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def image(self) -> Path:
        return self.folder / "image"

    @property
    def nodes(self) -> Path:
        return self.folder / "nodes"

    @property
    def volumes(self) -> Path:
        return self.folder / "volumes"

    @property
    def snapshots(self) -> Path:
        return self.folder / "snapshots"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def s3(self) -> Path:
        """Buckets and what is in them."""
        return self.folder / "s3"

    @property
    def packages(self) -> Path:
        """What nodes get to know of this machine's registries, see api.packages."""
        return self.folder / "packages"

    @property
    def key_file(self) -> Path:
        return self.keys / "local"

    @property
    def sockets(self) -> Path:
        """A short directory: a Unix socket's path may be 108 bytes long, a home's is often longer."""
        return SOCKET_ROOT / digest(self.folder)

    @property
    def agent_socket(self) -> Path:
        return self.sockets / "agent.sock"

    @property
    def control_socket(self) -> Path:
        return self.sockets / "control.sock"

    @property
    def gate(self) -> Path:
        """The folder that every node sees as /run/localcloud/gate; its socket is there while commands are watched."""
        return self.sockets / "gate"

    @property
    def gate_socket(self) -> Path:
        return self.gate / "command.sock"

    def make(self) -> None:
        """Create the folders, for nobody else to read."""
        own = (self.folder, self.logs, self.store, self.image, self.nodes, self.volumes, self.snapshots)
        for path in (*own, self.keys, SOCKET_ROOT, self.sockets, self.gate):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
