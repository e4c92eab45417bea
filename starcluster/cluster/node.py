"""One node of a cluster, as plugins know it: who it is, how it is reached, and what can be done on it.

The parts stand in accounts.py (users, keys), hosts.py (names), disks.py, shares.py (NFS, packages).
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from starcluster import exception, names
from starcluster.aws.easyec2 import Region
from starcluster.clock import Clock, wait_until
from starcluster.cluster import attaching, record
from starcluster.cluster.accounts import Accounts
from starcluster.cluster.facts import Facts
from starcluster.cluster.shares import Shares
from starcluster.logger import log
from starcluster.model import Instance, InstanceState, SpotRequest
from starcluster.ssh import hostkeys, login
from starcluster.ssh.access import Access
from starcluster.ssh.bundle import Bundle
from starcluster.ssh.hostkeys import HostKey

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2
    from starcluster.cluster.bucketmounts import BucketMounts
    from starcluster.cluster.cluster import Clusters
    from starcluster.cluster.drives.keeping import Drives
    from starcluster.cluster.s3program import S3Program
    from starcluster.cluster.software import Software
    from starcluster.ssh.client import SSHClient

_UPDATE_PAUSE = 5.0
_QUICK_LOOK = 0.0


class Node(Facts, Accounts, Shares):
    def __init__(
        self,
        instance: Instance,
        *,
        ec2: Ec2,
        access: Access,
        region: str = "",
        user: str = "root",
        clusters: Clusters | None = None,
    ) -> None:
        super().__init__(instance, ec2)
        self._clusters = clusters
        self.access = access
        self.region = Region(region)
        self.user = user
        self._ssh: SSHClient | None = None
        self._lock = threading.Lock()
        self._bundled = threading.local()
        self._silent = ""
        self._twin: Node | None = None

    def __repr__(self) -> str:
        return f"<Node: {self.alias} ({self.id})>"

    @property
    def clock(self) -> Clock:
        return self.access.clock

    @property
    def key_location(self) -> str:
        return str(self.access.key_file or "")

    @cached_property
    def num_processors(self) -> int:
        return int((self.ssh.execute("nproc", source_profile=False) or ["1"])[0])

    @property
    def memory(self) -> float:
        """Whole megabytes, as the node's kernel counts them."""
        lines = self.ssh.execute("grep MemTotal /proc/meminfo", source_profile=False) or []
        return float(int(lines[0].split()[1]) // 1024)

    @property
    def cluster_tag(self) -> str:
        """The name of its cluster."""
        return self.tags.get(record.CLUSTER, "")

    @property
    def s3(self) -> S3Program:
        """s3sync on this node."""
        from starcluster.cluster.s3program import S3Program

        return S3Program(self)

    @property
    def buckets(self) -> BucketMounts:
        """Buckets that are mounted on this node."""
        from starcluster.cluster.bucketmounts import BucketMounts

        return BucketMounts(self)

    @property
    def software(self) -> Software:
        """Packages on this node."""
        from starcluster.cluster.software import Software

        return Software(self)

    # --- questions to the node

    def is_ssh_up(self) -> bool:
        """It runs and lets us in."""
        return not self.ssh_trouble()

    def ssh_trouble(self) -> str:
        """Why it does not let us in, "" when it does."""
        try:
            status = self.ssh.get_status("true", source_profile=False)
        except exception.SSHError as error:
            return str(error)
        return f"a command ends with status {status}" if status else ""

    def give_up(self, why: str) -> None:
        """Nobody is to wait for its SSH any more: whoever asks for it gets an SSHConnectionError at once."""
        self.forget_connection()
        self._silent = why

    def is_up(self) -> bool:
        """EC2 says that it runs, and SSH lets us in."""
        self.update()
        return self.is_running() and self.is_ssh_up()

    def boot_id(self) -> str:
        """The kernel's id of this boot: another one after every reboot, stop and launch."""
        return (self.ssh.execute("cat /proc/sys/kernel/random/boot_id", source_profile=False) or [""])[0]

    # --- EC2

    def update(self) -> InstanceState:
        """Ask EC2 how it is; an instance that EC2 forgot counts as terminated."""
        found = self.ec2.instances.find(ids=[self.id])
        if found:
            self.described = found[0]
        else:
            self.described = dataclasses.replace(self.described, state=InstanceState.TERMINATED)
        return self.state

    def wait(self, interval: float = 30, limit: float = 900) -> None:
        """Until it is up; WaitTimeout after `limit` EC2 seconds."""
        if not wait_until(self.is_up, limit=limit, pause=interval, clock=self.clock):
            raise exception.WaitTimeout(f"{self.alias} ({self.id}) is not up after {limit / 60:.0f} minutes")

    def add_tag(self, key: str, value: str | None = None) -> None:
        self.ec2.instances.tag([self.id], {key: value or ""})

    def remove_tag(self, key: str, value: str | None = None) -> None:
        self.ec2.instances.untag([self.id], [key])

    def get_spot_request(self) -> SpotRequest | None:
        return next(iter(self.ec2.spot.find(ids=[self.spot_id])), None) if self.spot_id else None

    def start(self) -> None:
        self.ec2.instances.start([self.id])

    def stop(self) -> None:
        self.forget_connection()
        self.ec2.instances.stop([self.id])

    def terminate(self) -> None:
        """End it for ever; its spot request too."""
        self.forget_connection()
        self.ec2.instances.terminate([self.id])
        if self.spot_id:
            self.ec2.spot.cancel([self.spot_id])

    def shutdown(self) -> None:
        """Stop it, or terminate it where it can not be stopped."""
        if self.is_stoppable():
            self.stop()
        else:
            self.terminate()

    def reboot(self) -> None:
        self.forget_connection()
        self.ec2.instances.reboot([self.id])

    def detach_external_volumes(self) -> None:
        """Unmount and detach every volume but the root one."""
        for device in self.described.data_devices:
            self.unmount_volume(device.volume_id, device.device)
            self.ec2.volumes.detach(device.volume_id, instance_id=self.id)

    def delete_root_volume(self) -> None:
        """Detach and delete the root volume of a stopped node: it never starts again."""
        attaching.delete_root(self)

    def attach_volume(self, volume_id: str, device: str = "") -> str:
        """Attach an EBS volume, waited for; the device name that EC2 was given."""
        return attaching.attach(self, volume_id, device)

    def detach_volume(self, volume_id: str) -> None:
        """Unmount and detach an EBS volume, and wait until it is free."""
        attaching.detach(self, volume_id)

    def attach_drive(self, name: str, path: str, *, shape: Mapping[str, object], keep: str = "") -> str:
        """Have the drive mounted here, from whatever zone it is in; made if there is none, when `shape` has a size."""
        return self._drives().bring(name, self, path, shape=shape, keep=keep)

    def detach_drive(self, name: str) -> None:
        """Unmount the drive and free it, if it is here."""
        drives = self._drives()
        present = drives.records.get(name).present
        holder = present.volume.holder if present else None
        if holder is not None and holder.instance_id == self.id:
            drives.detach(name, force=True)

    def _drives(self) -> Drives:
        from starcluster.cluster.drives.keeping import Drives  # it knows clusters, which know nodes

        if self._clusters is None:
            raise exception.InvalidOperation(f"{self.alias} is no node of a cluster: no drive comes to it")
        return Drives(self._clusters)

    def unmount_volume(self, volume_id: str, device: str = "") -> None:
        """Unmount wherever a volume is mounted; a disk that is not there any more is no error."""
        found = self._volume_device(volume_id, device)
        for path in self.mount_points_of(found) if found else []:
            self.unmount(path, force=True)

    # --- SSH

    @property
    def ssh(self) -> SSHClient:
        """The connection as root; its host key is asked of the console before the first use."""
        if self._silent or self.state.is_gone:
            raise exception.SSHConnectionError(f"{self.alias} ({self.id}) {self._silent or f'is {self.state}'}")
        bundle = getattr(self._bundled, "bundle", None)
        if bundle is not None:
            return cast("SSHClient", bundle)  # it takes scripts only; whatever else is asked for is a fault of ours
        with self._lock:
            if self._ssh is None:
                self.learn_host_keys(limit=_QUICK_LOOK)
                self._ssh = self.access.client(self.id, self.dns_name, user=self.user, label=self.alias)
            return self._ssh

    @contextmanager
    def together(self) -> Iterator[Bundle]:
        bundle = self._bundled.bundle = Bundle()
        try:
            yield bundle
        finally:
            self._bundled.bundle = None
        bundle.run(self.ssh, self.alias)

    @property
    def host_keys(self) -> Sequence[HostKey]:
        """As known here, else as its console tells: another machine may have launched it."""
        try:
            return self.learn_host_keys(limit=_QUICK_LOOK)
        except exception.AWSError as error:
            log.debug("no host keys of %s: %s", self.alias, error)
            return []

    def learn_host_keys(self, *, limit: float) -> list[HostKey]:
        """Its host keys, asked of its console for up to `limit` EC2 seconds; [] when it tells none."""
        return hostkeys.learn(
            self.id,
            known=self.access.known,
            console=lambda: self.ec2.instances.console(self.id),
            clock=self.clock,
            limit=limit,
            pause=_UPDATE_PAUSE,
        )

    def forget_connection(self) -> None:
        """Drop the connection: the node goes, or comes back at another address."""
        with self._lock:
            if self._ssh is not None:
                self._ssh.close()
            self._ssh = None
            if self._twin is not None:
                self._twin.forget_connection()

    def twin(self) -> Node:
        """This node with a connection of its own: a plugin may switch its user while others use this one."""
        with self._lock:
            if self._twin is None:
                self._twin = Node(
                    self.described,
                    ec2=self.ec2,
                    access=self.access,
                    region=self.region,
                    user=self.user,
                    clusters=self._clusters,
                )
            self._twin.described, self._twin._silent = self.described, self._silent
            return self._twin

    def after_hook(self) -> None:
        """Close what a plugin has left open, and be again who we are: some forget that they switched the user."""
        with self._lock:
            if self._ssh is not None:
                self._ssh.close_files()
                self._ssh.go_back_to(self.user)

    def _not_running_hint(self) -> str:
        tag = self.tags.get(record.CLUSTER, "")
        if self.state is InstanceState.STOPPED and tag:
            return f"starcluster start -x {tag} starts a stopped cluster"
        return "starcluster listclusters shows its state"

    def login_argv(
        self, *, user: str = "", command: str = "", pseudo_tty: bool | None = None, **flags: bool
    ) -> list[str]:
        """The words of an ssh call; flags as ssh.login.argv has them."""
        if not self.is_running():
            raise exception.InstanceNotRunning(
                f"{self.alias} ({self.id}) is not running but {self.state}",
                hint=self._not_running_hint(),
            )
        self.learn_host_keys(limit=_QUICK_LOOK)
        return login.argv(
            self.access,
            instance_id=self.id,
            host=self.dns_name,
            user=user or self.user,
            command=command,
            pseudo_tty=pseudo_tty,
            **flags,
        )

    def shell(
        self,
        user: str | None = None,
        forward_x11: bool = False,
        forward_agent: bool = False,
        pseudo_tty: bool = False,
        command: str | None = None,
    ) -> int:
        """A login, or a command, on this terminal; its exit status."""
        import subprocess
        import sys

        if login.ssh_program() is None:
            return self._paramiko_shell(user or self.user, command or "", pseudo_tty=pseudo_tty)
        words = self.login_argv(
            user=user or "",
            command=command or "",
            forward_x11=forward_x11,
            forward_agent=forward_agent,
            # ssh complains of a terminal that it was to hand on and has not
            pseudo_tty=(pseudo_tty or None) if sys.stdin.isatty() else False,
        )
        return subprocess.run(words, check=False).returncode

    def _paramiko_shell(self, user: str, command: str, *, pseudo_tty: bool) -> int:
        from starcluster.ssh.terminal import attach
        from starcluster.ssh.words import with_profile

        self.learn_host_keys(limit=_QUICK_LOOK)
        with self.access.client(self.id, self.dns_name, user=user) as client:
            channel = client.transport.open_session()
            return attach(channel, with_profile(command) if command else "", pseudo_tty=pseudo_tty)

    # --- the cluster's record, as old plugins ask for it

    def get_plugins(self) -> list[record.PluginRecord]:
        return list(self._record().plugins)

    def get_volumes(self) -> dict[str, dict[str, Any]]:
        return volumes_argument(self._record().volumes)

    def _record(self) -> record.ClusterRecord:
        tag = self.tags.get(record.CLUSTER, "")
        group = self.ec2.network.group(names.group_name(tag))
        if group is None:
            raise exception.ClusterDoesNotExist(f"{self.alias} belongs to no cluster")
        return record.from_tags(group.tags, tag=tag)


def volumes_argument(volumes: Sequence[record.VolumeRecord]) -> dict[str, dict[str, Any]]:
    """The `volumes` that plugins' hooks are given."""
    return {
        one.name: {
            "volume_id": one.volume_id,
            "device": one.device,
            "mount_path": one.mount_path,
            "partition": one.partition,
        }
        for one in volumes
    }
