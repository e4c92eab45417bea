"""One node as the agent knows it, and what is written down of it for a later agent."""

import dataclasses
import threading
from pathlib import Path
from typing import Any

from starcluster.localcloud.hosts import watch
from starcluster.localcloud.hosts.files import write_json
from starcluster.localcloud.hosts.plan import Disk
from starcluster.localcloud.hosts.spec import NodeSpec, NodeState


@dataclasses.dataclass(kw_only=True)
class Share:
    """A directory of a node that another node has mounted: what the clone of its mount looks like there, and where.

    It is of one boot of the client: when that is over the mount is gone, and the next boot may know another file
    system by the same device number, its own /usr perhaps.
    """

    client: str
    boot: str = ""
    path: str
    device: str
    place: str = ""
    options: str = ""


class Node:
    """One node as this agent knows it. `pid` is None while it is not running. Hold `lock` to change it."""

    def __init__(self, spec: NodeSpec, directory: Path) -> None:
        self.spec = spec
        self.directory = directory
        self.lock = threading.RLock()
        self.pid: int | None = None
        self.pidfd = -1
        self.ready_fd = -1
        self.boot_id = ""
        self.boots = 0
        self.ending = False
        self.volumes: dict[str, int] = {}
        self.shares: list[Share] = []
        self.lost: list[Share] = []  # dead mounts that others keep, for the next time that it exports the path

    @property
    def id(self) -> str:
        return self.spec.instance_id

    @property
    def image(self) -> Path:
        """The root disk."""
        return self.directory / "root.img"

    @property
    def disk(self) -> Path:
        """Where the root disk is mounted."""
        return self.directory / "disk"

    @property
    def console(self) -> Path:
        return self.directory / "console.txt"

    @property
    def is_ready(self) -> bool:
        """Whether the SSH server of this boot has accepted connections."""
        return self.pid is not None and watch.is_told(self.ready_fd)

    def state(self) -> NodeState:
        """As the client sees it."""
        alive = self.pid is not None
        return NodeState(alive=alive, pid=self.pid or 0, boot_id=self.boot_id, ready=self.is_ready)

    def save(self) -> None:
        """Write down what a later agent must know."""
        record = {
            "spec": self.spec.plain() | {"metadata": {}},
            "pid": self.pid,
            "boot_id": self.boot_id,
            "boots": self.boots,
            "volumes": self.volumes,
            "shares": [dataclasses.asdict(one) for one in self.shares],
            "lost": [dataclasses.asdict(one) for one in self.lost],
        }
        write_json(self.directory / "node.json", record)

    @classmethod
    def loaded(cls, directory: Path, record: dict[str, Any]) -> "Node":
        """A node by its record; not running as far as this says."""
        node = cls(NodeSpec.of(record["spec"]), directory)
        node.boot_id, node.boots = record["boot_id"], record["boots"]
        node.volumes = dict(record["volumes"])
        node.shares = [Share(**one) for one in record["shares"]]
        node.lost = [Share(**one) for one in record.get("lost", [])]
        return node


def volume_path(index: int) -> str:
    """The device file of the n-th volume of a node."""
    return f"/dev/nvme{index}n1"


def volume_disk(index: int, volume_id: str, minor: int) -> Disk:
    """How a volume is shown in a node: EC2's serial number is the id without its dash."""
    serial = volume_id.replace("-", "")
    link = f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{serial}"
    return Disk(path=volume_path(index), minor=minor, links=(link,))
