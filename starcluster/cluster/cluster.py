"""A cluster as it stands in EC2: its security group with the record, its instances, its nodes."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starcluster import exception, names, pluginloader
from starcluster.clock import Clock
from starcluster.cluster import record, sshentries
from starcluster.cluster.letin import Door
from starcluster.cluster.node import Node, volumes_argument
from starcluster.cluster.record import ClusterRecord
from starcluster.cluster.together import Together
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log
from starcluster.model import InstanceState, SecurityGroup, SpotRequest, Subnet
from starcluster.ssh.access import Access
from starcluster.ssh.dialer import Dialer, GuardedDialer
from starcluster.ssh.keyfile import check_key_file
from starcluster.ssh.proxy import SsmDialer

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2
    from starcluster.cloud import Cloud
    from starcluster.config.schema import Config


class Clusters:
    """All clusters of the region."""

    def __init__(self, ec2: Ec2, config: Config, clock: Clock, cloud: Cloud) -> None:
        self.ec2, self.config, self.clock, self.cloud = ec2, config, clock, cloud

    def __repr__(self) -> str:
        return f"<Clusters: {self.ec2.region}>"

    def all(self) -> list[Cluster]:
        """Every cluster, also one whose record can not be read, in EC2's order."""
        return [self._cluster(group) for group in self.ec2.network.groups(names.GROUP_PREFIX)]

    def get(self, tag: str) -> Cluster:
        """The cluster of that name, or ClusterDoesNotExist with the names of those that do."""
        found = self.find(tag)
        if found is None:
            active = sorted(cluster.tag for cluster in self.all())
            raise exception.ClusterDoesNotExist(
                f"cluster '{tag}' does not exist",
                hint=f"active clusters: {', '.join(active)}" if active else "",
            )
        return found

    def check(self, tags: Iterable[str]) -> None:
        """ClusterDoesNotExist for one that does not: before the first of them is touched."""
        for tag in tags:
            self.get(tag)

    def find(self, tag: str) -> Cluster | None:
        """The cluster of that name, None when there is none."""
        group = self.ec2.network.group(names.group_name(tag))
        return self._cluster(group) if group else None

    # --- StarCluster's names for these; what they took beside, on how much is loaded, has no meaning here

    def get_clusters(self, **_: object) -> list[Cluster]:
        return self.all()

    def get_cluster(self, cluster_name: str, group: object = None, **_: object) -> Cluster:
        return self.get(cluster_name)

    def get_cluster_or_none(self, cluster_name: str, **_: object) -> Cluster | None:
        return self.find(cluster_name)

    def _cluster(self, group: SecurityGroup) -> Cluster:
        return Cluster(group, ec2=self.ec2, config=self.config, clock=self.clock, cloud=self.cloud)


class Cluster:
    def __init__(self, group: SecurityGroup, *, ec2: Ec2, config: Config, clock: Clock, cloud: Cloud) -> None:
        self.group = group
        self.tag = names.cluster_tag(group.name)
        self.ec2, self.config, self.clock, self.cloud = ec2, config, clock, cloud
        self._nodes: list[Node] | None = None
        self._looks = Together(self._look)
        self.subnets: dict[str, tuple[float, Subnet | None]] = {}  # by zone, with the moment of the choice
        self.subnets_lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Cluster: {self.tag} ({self.group.id})>"

    # --- the record

    @cached_property
    def record(self) -> ClusterRecord:
        """What the cluster was started with; IncompatibleCluster when that can not be read."""
        return record.from_tags(self.group.tags, tag=self.tag)

    def save(self, changed: ClusterRecord) -> None:
        """Write the record back to the group."""
        self.record.check_writable(self.tag)
        tags = record.to_tags(changed)
        self.ec2.network.tag_group(self.group.id, tags)
        self.ec2.network.untag_group(self.group.id, record.pieces(self.group.tags) - tags.keys())
        self._take(tags)

    def refresh(self) -> None:
        """Read the record anew: somebody may have reloaded the cluster's settings."""
        group = self.ec2.network.group(self.group.name)
        if group is not None:
            self._take(group.tags)

    def _take(self, tags: Mapping[str, str]) -> None:
        gone = record.pieces(self.group.tags) - tags.keys()
        kept = {key: value for key, value in self.group.tags.items() if key not in gone}
        self.group = dataclasses.replace(self.group, tags={**kept, **tags})
        for derived in ("record", "plugins"):
            self.__dict__.pop(derived, None)

    @property
    def phase(self) -> str:
        """How far the cluster's life is: launching, up, terminating (record.PHASE_...)."""
        return self.group.tags.get(record.PHASE, record.PHASE_UP)

    def set_phase(self, phase: str) -> None:
        self.ec2.network.tag_group(self.group.id, {record.PHASE: phase})
        self.group = dataclasses.replace(self.group, tags={**self.group.tags, record.PHASE: phase})

    @property
    def cluster_user(self) -> str:
        return self.record.cluster_user

    @property
    def cluster_shell(self) -> str:
        return self.record.cluster_shell

    @cached_property
    def user_shell(self) -> str:
        """The shell that the user really has: CLUSTER_SHELL, or bash where the master has no such program."""
        wanted = self.cluster_shell
        if wanted == _SHELL:
            return wanted
        try:
            if self.running_master().ssh.which(wanted):
                return wanted
        except exception.BaseException as error:
            log.debug("the master does not tell whether it has %s: %s", wanted, error)
            return wanted
        return _SHELL

    @property
    def keyname(self) -> str:
        return self.record.keyname

    @property
    def volumes(self) -> dict[str, dict[str, Any]]:
        """The cluster's volumes as hooks are given them."""
        return volumes_argument(self.record.volumes)

    @cached_property
    def plugins(self) -> list[ClusterSetup]:
        """The cluster's plugins with the settings from its start, in their order."""
        return [pluginloader.load(one.name, one.setup_class, one.settings) for one in self.record.plugins]

    def last_first(self, *, force: bool = False) -> list[ClusterSetup]:
        """The plugins in the order of an end; with `force` one that can not be made is told and left out."""
        if not force:
            try:
                return [*reversed(self.plugins)]
            except exception.PluginError as error:
                raise exception.PluginError(
                    error.explain(), hint="-f (of stop, removenode and terminate) goes on without it"
                ) from error
        found = []
        for one in reversed(self.record.plugins):
            try:
                found.append(pluginloader.load(one.name, one.setup_class, one.settings))
            except exception.BaseException as error:
                log.warning("the plugin %s is left out: %s", one.name, error.explain())
        return found

    @cached_property
    def access(self) -> Access:
        """How its nodes are reached."""
        return Access(
            key_file=self._key_file(),
            dialer=self._dialer(),
            clock=self.clock,
            strict=bool(self.config.globals.ssh_strict),
            login_user=self.record.login_user,
        )

    def _dialer(self) -> Dialer:
        """The cloud's, which lets this machine in first; the Session Manager needs no rule."""
        if isinstance(self.cloud.dialer, SsmDialer):
            return self.cloud.dialer
        door = Door(self.group, ec2=self.ec2, cloud=self.cloud, clock=self.clock)
        return GuardedDialer(self.cloud.dialer, door.keep)

    def check_key(self) -> None:
        """KeyFileError unless there is a private key to reach nodes with, and nobody else can read it."""
        check_key_file(self._key_file())

    def _key_file(self) -> Path:
        return Path(self.config.key(self.record.keyname).key_location).expanduser()

    @property
    def region(self) -> str:
        return self.ec2.region

    # --- the nodes

    @property
    def nodes(self) -> list[Node]:
        """Everybody in the cluster who is not gone or going, the master first, then by alias."""
        if self._nodes is None:
            self.load()
        return list(self._nodes or [])

    def load(self) -> Cluster:
        """Look again; nodes that stay keep their connections. Threads that load at the same time share a look."""
        self._looks()
        return self

    def _look(self) -> None:
        before = {node.id: node for node in self._nodes or []}
        found = self.ec2.instances.find(cluster=self.tag, states=_IN_CLUSTER)
        nodes = []
        for instance in found:
            node = before.get(instance.id)
            if node is None:
                node = self.node_of(instance)
            elif node.dns_name != instance.address:
                node.forget_connection()
            node.described = instance
            nodes.append(node)
        self._nodes = in_order(nodes)
        sshentries.follow(self, found)

    def node_of(self, instance: Any) -> Node:
        """The node that an instance is."""
        clusters = Clusters(self.ec2, self.config, self.clock, self.cloud)
        return Node(instance, ec2=self.ec2, access=self.lazy_access(), region=self.region, clusters=clusters)

    def lazy_access(self) -> Access:
        """Listing a cluster must not fail for want of its key file."""
        try:
            return self.access
        except (exception.ConfigError, exception.RecordError):
            return Access(key_file=None, dialer=self.cloud.dialer, clock=self.clock)

    @property
    def running_nodes(self) -> list[Node]:
        return [node for node in self.nodes if node.is_running()]

    @property
    def workers(self) -> list[Node]:
        return [node for node in self.nodes if not node.is_master()]

    @property
    def master_node(self) -> Node:
        """The master, or MasterDoesNotExist."""
        for node in self.nodes:
            if node.is_master():
                return node
        raise exception.MasterDoesNotExist(
            f"cluster '{self.tag}' has no master node",
            hint=f"it was lost, or never launched; starcluster terminate {self.tag} removes what is left",
        )

    def running_master(self) -> Node:
        """The master if it runs, or ClusterNotRunning."""
        master = self.master_node
        if not master.is_running():
            raise exception.ClusterNotRunning(
                f"the master of cluster '{self.tag}' is not running but {master.state}",
                hint=f"starcluster start -x {self.tag} starts a stopped cluster",
            )
        return master

    def get_node(self, identifier: str) -> Node:
        """A node by alias, instance id, spot id, address, name or number (0 = master).

        Of several of one name the one that is set up, for another one may be prepared beside it; else the newest.
        """
        wanted = names.fold(str(identifier))
        if wanted.isdigit():
            wanted = names.node_alias(int(wanted)) if int(wanted) else names.MASTER
        # with DNS_PREFIX the names begin with the cluster's, which may be left out
        found = self._named(wanted) or self._named(names.fold(f"{self.tag}-{wanted}"))
        if not found and wanted == names.MASTER:
            return self.master_node
        if not found:
            known = ", ".join(node.alias for node in self.nodes) or "none"
            raise exception.NodeDoesNotExist(
                f"cluster '{self.tag}' has no node '{identifier}'", hint=f"its nodes: {known}"
            )
        return max(found, key=lambda node: (node.state.is_alive, record.READY in node.tags, node.launch_time))

    def _named(self, wanted: str) -> list[Node]:
        return [node for node in self.nodes if wanted in _identifiers(node)]

    @property
    def spot_requests(self) -> list[SpotRequest]:
        """The cluster's spot requests that are open or active."""
        return [request for request in self.ec2.spot.find(cluster=self.tag) if request.state.is_live]

    def resource_tags(self, alias: str = "", extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Tags for something that is made for this cluster, or for one of its nodes."""
        return record.resource_tags(self.tag, alias, extra)

    def hook_arguments(self, nodes: Sequence[Node] | None = None) -> tuple[list[Node], Node, str, str, dict[str, Any]]:
        """(nodes, master, user, user_shell, volumes), as hooks take them."""
        alive = in_order(nodes) if nodes is not None else self.running_nodes
        return alive, self.master_node, self.cluster_user, self.user_shell, self.volumes

    # --- names

    def alias_of(self, base: str) -> str:
        """The alias of `master` or a numbered worker, with the prefix if the cluster has one."""
        prefix = self.record.dns_prefix
        return f"{prefix}-{base}" if prefix else base

    def free_aliases(self, count: int) -> list[str]:
        """The next `count` names for numbered workers: after the highest that is in use."""
        numbers = [int(node.alias[-3:]) for node in self.nodes if names.is_numbered(node.alias.rpartition("-")[2])]
        first = max(numbers, default=0) + 1
        return [self.alias_of(names.node_alias(number)) for number in range(first, first + count)]


def in_order(nodes: Iterable[Node]) -> list[Node]:
    """The master first, then by alias: the order in which plugins and lists have them."""
    return sorted(nodes, key=lambda node: (not node.is_master(), node.alias, node.launch_time, node.id))


_SHELL = "bash"
_IN_CLUSTER = tuple(state for state in InstanceState if state.is_in_cluster)


def _identifiers(node: Node) -> set[str]:
    instance = node.described
    given = {
        node.alias,
        node.id,
        node.spot_id,
        instance.public_dns,
        instance.private_dns,
        instance.public_ip,
        instance.private_ip,
    }
    return {names.fold(one) for one in given if one}
