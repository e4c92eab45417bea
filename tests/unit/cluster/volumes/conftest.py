"""A cluster in memory whose nodes have disks: what is done on them is written down instead of done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster import record
from starcluster.cluster.cluster import Cluster, Clusters
from starcluster.cluster.node import Node
from starcluster.cluster.volumehosts import HostWish
from starcluster.config.schema import Config
from starcluster.model import Instance, SecurityGroup, Volume
from starcluster.ssh.access import Access
from tests.fakes.clock import StepClock
from tests.fakes.ec2 import FakeEc2
from tests.unit.cluster.test_starting import begin

HOST = HostWish(keyname="mykey", image="ami-1")


class Desk:
    """What happens on all nodes, and how their disks are: `on` = volume id -> kind, `mounts` = volume id -> path."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.on: dict[str, str] = {}
        self.mounts: dict[tuple[str, str], str] = {}
        self.away: set[str] = set()
        self.busy: dict[tuple[str, str], list[str]] = {}
        self.there: dict[str, list[str]] = {}
        self.frozen = ""
        self.freezes = True
        self.watchdog_is_faster = False
        self.damaged: set[str] = set()
        self.taken: set[str] = set()  # volumes whose disks no node shows


class Machine(Node):
    """A node whose SSH is the desk."""

    desk: Desk

    def note(self, what: str) -> None:
        self.desk.done.append(f"{self.alias}: {what}")

    def is_ssh_up(self) -> bool:
        return self.alias not in self.desk.away

    def find_volume_device(self, volume_id: str, device: str = "", limit: float = 60) -> str:
        if volume_id in self.desk.taken:
            raise exception.WaitTimeout(f"no disk of {volume_id} appeared in {limit} s")
        return f"/dev/{volume_id}"

    def choose_partition(self, device: str, partition: int | None = None) -> str:
        return device

    def mount_points_of(self, device: str) -> list[str]:
        path = self.desk.mounts.get((self.alias, device.removeprefix("/dev/")))
        return [path] if path else []

    def mounted_device(self, path: str) -> str:
        return next(
            (f"/dev/{disk}" for (name, disk), at in self.desk.mounts.items() if (name, at) == (self.alias, path)), ""
        )

    def filesystem(self, device: str) -> str:
        return self.desk.on.get(device.removeprefix("/dev/"), "")

    def describe_filesystem(self, device: str) -> str:
        return self.filesystem(device)

    def make_filesystem(self, device: str, kind: str = "ext4", command: str = "", *, force: bool = False) -> None:
        if self.filesystem(device) and not force:
            raise exception.InvalidOperation(f"{device} is not empty: it holds {self.filesystem(device)}")
        self.note(f"mkfs {kind}")
        self.desk.on[device.removeprefix("/dev/")] = kind

    def check_filesystem(self, device: str) -> None:
        self.note("check")
        if device.removeprefix("/dev/") in self.desk.damaged:
            raise exception.InvalidOperation("damaged", code="DamagedFileSystem")

    def grow_partition(self, device: str) -> None:
        self.note("growpart")

    def grow_filesystem(self, device: str, command: str = "") -> str:
        self.note(f"grow {command}".strip())
        return self.filesystem(device)

    def mount_device(self, device: str, path: str, options: str = "") -> None:
        self.note(f"mount {path}")
        self.desk.mounts[self.alias, device.removeprefix("/dev/")] = path

    def unmount(self, path: str, *, force: bool = False) -> None:
        if self.desk.busy.get((self.alias, path)) and not force:
            raise exception.RemoteCommandFailed("busy", "umount", 32, "target is busy")
        self.note(f"unmount {path}" + (" by force" if force else ""))
        self.desk.mounts = {key: at for key, at in self.desk.mounts.items() if (key[0], at) != (self.alias, path)}

    def holders_of(self, path: str) -> list[str]:
        return self.desk.busy.get((self.alias, path), [])

    def freeze(self, path: str, limit: int = 30) -> None:
        if not self.desk.freezes:
            raise exception.RemoteCommandFailed("no", "fsfreeze", 1, "not supported")
        self.note(f"freeze {path}")
        self.desk.frozen = path

    def thaw(self, path: str) -> bool:
        self.note(f"thaw {path}")
        self.desk.frozen = ""
        return not self.desk.watchdog_is_faster

    def start_nfs_server(self) -> None:
        self.note("nfs server")

    def export_fs_to_nodes(self, nodes: Sequence[Any], export_paths: Sequence[str]) -> None:
        self.note(f"export {' '.join(export_paths)} to {' '.join(one.alias for one in nodes)}")

    def stop_exporting_fs_to_nodes(self, nodes: Any, paths: Sequence[str] | None = None) -> None:
        self.note(f"unexport {' '.join(paths or [])}")

    def mount_nfs_shares(self, server_node: Any, remote_paths: Sequence[str]) -> None:
        self.note(f"mount share {' '.join(remote_paths)}")

    @property
    def ssh(self) -> Any:
        return SimpleNamespace(script=lambda text, what: self.desk.there.get(self.alias, []))


class Site(Clusters):
    """All clusters of the region, with our nodes."""

    desk: Desk

    def _cluster(self, group: SecurityGroup) -> Cluster:
        made = SiteCluster(group, ec2=self.ec2, config=self.config, clock=self.clock, cloud=self.cloud)
        made.desk = self.desk
        return made


class SiteCluster(Cluster):
    desk: Desk

    def node_of(self, instance: Instance) -> Node:
        made = Machine(instance, ec2=self.ec2, access=Access(key_file=None, clock=self.clock))
        made.desk = self.desk
        return made


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def site(ec2: FakeEc2, config: Config, cloud: Any, desk: Desk) -> Site:
    """The cluster `c` with master and node001, set up, in us-east-1a."""
    site = Site(ec2, config, StepClock(), cloud)  # type: ignore[arg-type]
    site.desk = desk
    ec2.network.import_key("mykey", "ssh-ed25519 AAAA")
    cluster = begin(site, cluster_size=2)
    ec2.advance()
    ec2.advance()
    ec2.instances.tag([node.id for node in cluster.nodes], {record.READY: "boot"})
    return site


@pytest.fixture
def make(ec2: FakeEc2, desk: Desk) -> Callable[..., Volume]:
    """A volume that is free, with ext4."""

    def make(size: int = 1, zone: str = "us-east-1a", *, holds: str = "ext4", **words: Any) -> Volume:
        made = ec2.volumes.create(size, zone, **words)
        ec2.advance()
        if holds:
            desk.on[made.id] = holds
        return ec2.volumes.all[made.id]

    return make


@pytest.fixture
def held(ec2: FakeEc2, desk: Desk, site: Site, make: Callable[..., Volume]) -> Callable[..., Volume]:
    """A volume that a node of `c` has mounted."""

    def held(path: str = "/data", alias: str = "master", **words: Any) -> Volume:
        made = make(**words)
        ec2.volumes.attach(made.id, site.get("c").get_node(alias).id, "/dev/sdf")
        ec2.advance()
        if path:
            desk.mounts[alias, made.id] = path
        return ec2.volumes.all[made.id]

    return held
