"""The machine that works on a volume: one that is named, a running node of the user's, or a helper of our own.

Each helper (alias volhost-ZONE in the group @sc-volumecreator) belongs to one run, so that two runs at once do not end
each other's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starcluster import __version__, exception, names
from starcluster.clock import wait_until
from starcluster.cluster import attaching, letin, record, sshrules, waiting
from starcluster.cluster.cluster import Cluster, Clusters
from starcluster.cluster.launching import launch_request
from starcluster.cluster.node import Node
from starcluster.cluster.record import ClusterRecord
from starcluster.logger import log
from starcluster.model import AttachmentState, Instance, InstanceState, Market, Volume
from starcluster.ssh.access import Access

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2

HELPERS = "volumecreator"
WORK = "@sc-work"
DEFAULT_TYPE = "t3.micro"
_GROUP_LIMIT = 300.0
_GROUP_PAUSE = 5.0
_CANDIDATES = 3  # each that does not answer costs half a minute


@dataclass(frozen=True, kw_only=True)
class HostWish:
    """What may be used: `host` is an instance's id, `fresh` wants a helper whatever runs."""

    keyname: str
    image: str
    instance_type: str = DEFAULT_TYPE
    bid: float | None = None
    host: str = ""
    fresh: bool = False
    subnet_id: str = ""
    public_ips: bool | None = None


@dataclass(frozen=True, kw_only=True)
class HostPlan:
    """Who shall do the work: a node that runs, or nobody yet (`node` None: a helper is launched)."""

    wish: HostWish
    zone: str
    node: Node | None = None


def plan_host(clusters: Clusters, wish: HostWish, zone: str) -> HostPlan:
    """Choose the machine, and refuse what can be known to fail; nothing is launched yet."""
    if wish.host:
        return HostPlan(wish=wish, zone=zone, node=_given_host(clusters, wish, zone))
    node = None if wish.fresh or wish.bid is not None else running_host(clusters, zone)
    if node is None:
        _check_helper(clusters.ec2, wish, zone)
    return HostPlan(wish=wish, zone=zone, node=node)


@contextmanager
def host(clusters: Clusters, plan: HostPlan, owner: str) -> Iterator[Node]:
    """The machine, ready for SSH; a helper is gone again at the end. `owner`: what the work is for, in its token."""
    if plan.node is not None:
        log.info(
            "Using %s of cluster %s (%s) for it", plan.node.alias, plan.node.tags.get(record.CLUSTER), plan.node.id
        )
        yield plan.node
        return
    with _helper(clusters, plan, owner) as node:
        yield node


@contextmanager
def disk_on(clusters: Clusters, node: Node, volume_id: str) -> Iterator[str]:
    """The volume's block device on this node for a while; detached again, also when something fails.

    The tag WORK tells a later run that the attachment is ours, should this one be killed.
    """
    ec2, clock = clusters.ec2, clusters.clock
    waiting.wait_volume_free(ec2, volume_id, clock=clock)
    ec2.volumes.tag(volume_id, {WORK: node.id})
    try:
        device = attaching.attach(node, volume_id)
        yield node.find_volume_device(volume_id, device)
    except BaseException:
        with cleaning(f"starcluster detachvolume {volume_id}"):
            ec2.volumes.detach(volume_id, instance_id=node.id)
            ec2.instances.untag([volume_id], [WORK])
        raise
    ec2.volumes.detach(volume_id, instance_id=node.id)
    waiting.wait_volume_free(ec2, volume_id, clock=clock)
    ec2.instances.untag([volume_id], [WORK])


def take_back(clusters: Clusters, volume: Volume) -> Volume:
    """The volume without the attachment that a run which was killed has left, if it has one."""
    mark, holder = volume.tags.get(WORK), volume.holder
    if mark is None:
        return volume
    if holder is not None and holder.instance_id == mark:
        log.info("%s is still attached to %s, where a run that did not end has worked on it", volume.id, mark)
        clusters.ec2.volumes.detach(volume.id, instance_id=mark)
        waiting.wait_volume_free(clusters.ec2, volume.id, clock=clusters.clock)
    clusters.ec2.instances.untag([volume.id], [WORK])
    return clusters.ec2.volumes.get(volume.id)


@contextmanager
def cleaning(by_hand: str) -> Iterator[None]:
    """Cleaning up after a failure must not hide the failure; what could not be done is told."""
    try:
        yield
    except exception.BaseException as error:
        log.error("could not clean up: %s\ndo it by hand: %s", error.explain(), by_hand.strip())
    except KeyboardInterrupt:
        log.error("the clean-up was interrupted\ndo it by hand: %s", by_hand.strip())
        raise


# -- nodes that run


def running_host(clusters: Clusters, zone: str) -> Node | None:
    """A node of one of the user's clusters in this zone that lets us in and can take one disk more.

    Masters and on-demand machines first: nobody takes them away in the middle of the work.
    """
    found = clusters.ec2.instances.find(states=[InstanceState.RUNNING])
    fitting = [one for one in found if one.zone == zone and record.READY in one.tags]
    fitting.sort(key=lambda one: (one.market is Market.SPOT, not names.is_master(one.alias), one.id))
    for instance in fitting[:_CANDIDATES]:
        node = node_of(clusters, instance)
        if node is not None and attaching.free_devices(node) and node.is_ssh_up():
            return node
        log.debug("%s (%s) can not be used", instance.alias, instance.id)
    return None


def node_of(clusters: Clusters, instance: Instance) -> Node | None:
    """The node of a cluster of the user's that this instance is; None when it belongs to none."""
    tag = instance.tags.get(record.CLUSTER, "")
    cluster = clusters.find(tag) if tag and tag != HELPERS else None
    return cluster.node_of(instance) if cluster else None


def holding_node(
    clusters: Clusters, volume: Volume, states: Collection[AttachmentState] = (AttachmentState.ATTACHED,)
) -> Node | None:
    """The running node of the user's that has the volume attached and lets us in; None for anybody else."""
    holder = volume.holder
    if holder is None or holder.state not in states:
        return None
    for instance in clusters.ec2.instances.find(ids=[holder.instance_id]):
        if instance.state is InstanceState.RUNNING:
            node = node_of(clusters, instance)
            if node is not None and node.is_ssh_up():
                return node
    return None


def _given_host(clusters: Clusters, wish: HostWish, zone: str) -> Node:
    """The instance that -H names, which must run in the volume's zone and let root in with the key."""
    instance = clusters.ec2.instances.get(wish.host)
    if instance.state is not InstanceState.RUNNING:
        raise exception.InstanceNotRunning(f"host instance {wish.host} is {instance.state}")
    if instance.zone != zone:
        raise exception.VolumesZoneError(
            f"host instance {wish.host} is in {instance.zone}, the volume is to be in {zone}",
            hint="name an instance of that zone, or leave -H out",
        )
    node = stranger(clusters, instance, wish.keyname)
    waiting.wait_ssh(node)
    return node


def stranger(clusters: Clusters, instance: Instance, keyname: str) -> Node:
    """An instance of no cluster, reached with that key pair of the config."""
    access = Access(
        key_file=Path(clusters.config.key(keyname).key_location),
        dialer=clusters.cloud.dialer,
        clock=clusters.clock,
        strict=clusters.config.globals.ssh_strict,
    )
    return Node(instance, ec2=clusters.ec2, access=access, region=clusters.ec2.region)


# -- the helper


def _check_helper(ec2: Ec2, wish: HostWish, zone: str) -> None:
    offered = ec2.instances.offered_zones(wish.instance_type)
    if zone not in offered:
        where = ", ".join(sorted(offered)) or "no zone of this region"
        raise exception.InvalidZone(
            f"the helper's type {wish.instance_type} is not offered in {zone}",
            hint=f"name another with -I; {wish.instance_type} is offered in: {where}",
        )
    ec2.images.resolve(wish.image)
    if ec2.network.key_pair(wish.keyname) is None:
        raise exception.KeyPairDoesNotExist(
            f"key pair '{wish.keyname}' does not exist in {ec2.region}",
            hint="starcluster listkeypairs shows them, createkey makes one",
        )


def tell_helpers(ec2: Ec2) -> None:
    """A run that was killed could not end its helper, which costs money: say so."""
    group = ec2.network.group(names.group_name(HELPERS))
    hosts = ec2.instances.find(group_id=group.id) if group else []
    alive = [one for one in hosts if one.state.is_in_cluster]
    if alive:
        log.warning("There are volume hosts running: %s", ", ".join(f"{one.alias} ({one.id})" for one in alive))
        log.warning("If no other command works on a volume now: starcluster terminate %s", HELPERS)


@contextmanager
def _helper(clusters: Clusters, plan: HostPlan, owner: str) -> Iterator[Node]:
    """A new instance with SSH, which is gone again at the end."""
    ec2, wish = clusters.ec2, plan.wish
    cluster = _helpers_group(clusters, wish)
    alias = f"volhost-{plan.zone}"
    # many helpers may work on one volume in the course of its life
    moment = clusters.clock.now().isoformat()
    token = names.launch_token(owner=f"{cluster.group.id}/{owner}/{moment}", alias=alias, generation=0, attempt=0)
    request = launch_request(
        cluster,
        alias=alias,
        instance_type=wish.instance_type,
        zone=plan.zone,
        market=Market.ON_DEMAND if wish.bid is None else Market.SPOT,
        max_price=wish.bid or None,
        token=token,
    )
    try:
        log.info("Launching volume host %s (%s, %s)", alias, wish.instance_type, request.market)
        instance = ec2.instances.launch(request)[0]
        running = waiting.wait_running(ec2, [instance.id], clock=clusters.clock)[0]
        node = stranger(clusters, running, wish.keyname)
        log.info("Waiting for SSH on %s (%s)", alias, node.id)
        waiting.wait_ssh(node)
        yield node
    finally:
        with cleaning(f"starcluster terminate -f {HELPERS}"):
            _release(clusters, cluster, token)


def _helpers_group(clusters: Clusters, wish: HostWish) -> Cluster:
    """The group of all volume helpers, with a rule that lets us in by SSH."""
    wanted = ClusterRecord(
        keyname=wish.keyname,
        master_image=wish.image,
        node_image=wish.image,
        master_type=wish.instance_type,
        node_type=wish.instance_type,
        subnet_id=wish.subnet_id,
        public_ips=wish.public_ips,
    )
    cluster = clusters.find(HELPERS) or _create_group(clusters, wanted)
    if cluster.record != wanted:
        cluster.save(wanted)
    clusters.ec2.network.authorize(cluster.group.id, sshrules.rules(letin.callers(clusters.cloud, clusters.ec2)))
    return cluster


def _create_group(clusters: Clusters, wanted: ClusterRecord) -> Cluster:
    network = clusters.ec2.network
    subnets = network.subnets(ids=[wanted.subnet_id]) if wanted.subnet_id else []
    tags = {**record.resource_tags(HELPERS), **record.to_tags(wanted)}
    about = f"starcluster-spot {__version__}: helpers of createvolume"
    try:
        network.create_group(
            names.group_name(HELPERS), about, subnets[0].vpc_id if subnets else network.default_vpc(), tags
        )
    except exception.ConflictError:
        log.debug("another createvolume made the group first")
    return clusters.get(HELPERS)


def _release(clusters: Clusters, cluster: Cluster, token: str) -> None:
    """End our helper, found by its token whatever became of the launch, and the group if nobody else uses it."""
    ec2 = clusters.ec2
    ours = [one.id for one in ec2.instances.find(token=token)]
    if ours:
        log.info("Terminating volume host %s", ", ".join(ours))
        ec2.instances.terminate(ours)
    others = [one for one in ec2.instances.find(group_id=cluster.group.id) if one.id not in ours]
    if any(one.state.is_in_cluster for one in others):
        return
    if ours:
        waiting.wait_states(ec2, ours, [InstanceState.TERMINATED], clock=clusters.clock, limit=waiting.GONE_LIMIT)
    wait_until(
        lambda: _group_deleted(ec2, cluster.group.id), limit=_GROUP_LIMIT, pause=_GROUP_PAUSE, clock=clusters.clock
    )


def _group_deleted(ec2: Ec2, group_id: str) -> bool:
    """EC2 keeps a group until its instances are wholly gone; another run may use it by now."""
    if any(one.state.is_in_cluster for one in ec2.instances.find(group_id=group_id)):
        return True
    try:
        ec2.network.delete_group(group_id)
    except exception.ConflictError:
        return False
    return True
