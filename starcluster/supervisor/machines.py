"""The driver's hands: its nodes through the cluster's own launch and set-up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from starcluster import exception, names
from starcluster.cluster import lifecycle, record, sshentries
from starcluster.cluster.cluster import Cluster, Clusters
from starcluster.cluster.drives.keeping import Drives
from starcluster.cluster.namerecord import Intent
from starcluster.cluster.node import Node
from starcluster.logger import log
from starcluster.model import Instance, InstanceState, LaunchRequest
from starcluster.ssh.client import SSHClient
from starcluster.supervisor.drivewishes import DriveWish
from starcluster.supervisor.introducer import Introducer


class ClusterMachines:
    """One connection for each node, kept over the looks and dropped when the instance is another one."""

    def __init__(self, clusters: Clusters, tag: str) -> None:
        self._clusters = clusters
        self._tag = tag
        self._cluster = clusters.get(tag)
        self._nodes: dict[str, Node] = {}
        self._introducer = Introducer(self._workers, lambda node, news: node.add_to_etc_hosts(news), _in_thread)

    def _workers(self) -> list[Node]:
        found = self._clusters.ec2.instances.find(cluster=self._tag, states=[InstanceState.RUNNING])
        return [self._node(one) for one in found if not names.is_master(one.alias)]

    def group_id(self) -> str:
        return self._cluster.group.id

    def _node(self, instance: Instance) -> Node:
        node = self._nodes.get(instance.id)
        if node is None:
            self._forget_older(instance.alias)
            node = self._nodes[instance.id] = self._cluster.node_of(instance)
        elif node.dns_name != instance.address:
            node.forget_connection()
        node.described = instance
        return node

    def _forget_older(self, alias: str) -> None:
        """Of a name's earlier instances only the last may still be spoken to; in a month there are hundreds."""
        known = list(self._nodes.values())  # acts in other threads add to it
        mine = [node for node in known if names.fold(node.described.alias) == names.fold(alias)]
        for node in mine[:-1]:
            self._nodes.pop(node.described.id, None)
            node.forget_connection()

    def seen(self, instances: Sequence[Instance]) -> None:
        """The entries for plain ssh follow the replacements."""
        sshentries.follow(self._cluster, instances)

    def shell(self, instance: Instance) -> SSHClient:
        return self._node(instance).ssh

    def launch_request(self, *, alias: str, intent: Intent, tags: dict[str, str]) -> LaunchRequest:
        pool = intent.pool
        self._cluster.refresh()
        return lifecycle.launch_request(
            self._cluster,
            alias=alias,
            instance_type=pool.instance_type,
            zone=pool.zone,
            market=pool.market,
            token=intent.token,
            tags=tags,
            max_price=intent.max_price,
        )

    def set_up(self, instance: Instance, *, drives: Sequence[DriveWish], progress: Callable[[str], None]) -> Instance:
        """The whole set-up of one instance, on a view of the cluster of its own (it runs in a thread).

        Returns the instance as it is then: plugins and drives have attached volumes.
        """
        cluster: Cluster = self._clusters.get(self._tag)
        cluster.load()
        node = next((one for one in cluster.nodes if one.id == instance.id), None) or cluster.node_of(instance)

        def bring_drives() -> None:
            for wish in drives:
                self._bring(node, wish)
            if drives:
                progress("drives mounted")

        lifecycle.set_up_node(cluster, node, progress=progress, introduce=False, last=bring_drives)
        self._introducer.add(node)
        node.update()
        return node.described

    def _bring(self, node: Node, wish: DriveWish) -> None:
        """The drive to the node; what another machine would not make better is the user's to look at."""
        try:
            Drives(self._clusters).bring(
                wish.name, node, wish.path, shape=wish.shape, keep=wish.keep, may_lose=wish.may_lose
            )
        except (exception.InvalidOperation, exception.RecordError) as error:
            raise exception.UserMustAct(f"drive {wish.name}: {error.msg}", hint=error.hint) from error

    def keep_drive(self, name: str) -> str:
        """A snapshot of the drive as it is (its id), and an end to those that its rule does not keep."""
        drives = Drives(self._clusters)
        made = drives.snapshot(name)
        drives.prune(name)
        return made.id

    def prepare(self, instance: Instance, *, plugins: bool, progress: Callable[[str], None]) -> None:
        """As much of a set-up as may be done while another instance works under the name."""
        cluster: Cluster = self._clusters.get(self._tag)
        cluster.load()
        lifecycle.prepare_node(cluster, cluster.node_of(instance), plugins=plugins, progress=progress)

    def mark_prepared(self, instance: Instance) -> None:
        self._node(instance).add_tag(record.PREPARED, "yes")

    def remove(self, instance: Instance) -> None:
        """Out of the cluster, then terminated; hooks that fail do not keep it alive and costing."""
        cluster = self._clusters.get(self._tag)
        node = self._nodes.pop(instance.id, None)
        if node is not None:
            node.forget_connection()
        try:
            lifecycle.remove_node(cluster, cluster.node_of(instance), force=True)
        except (exception.SSHError, exception.PluginError, exception.ClusterError, exception.WaitTimeout) as error:
            log.warning("%s was not taken out of the cluster in good order: %s", instance.alias, error)
            cluster.node_of(instance).terminate()


def _in_thread(job: Callable[[], None]) -> None:
    threading.Thread(target=job, name="introducing", daemon=True).start()
