"""createvolume: a new volume is attached to a helper instance, formatted there, and given free.

Each run has a helper of its own (alias volhost-ZONE in the group @sc-volumecreator), so that two runs at once do
not end each other's. Until it is formatted the volume carries no name, only the tag MAKING.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from starcluster import __version__, exception, names
from starcluster.clock import wait_until
from starcluster.cluster import record, waiting
from starcluster.cluster.attaching import free_devices
from starcluster.cluster.cluster import Cluster, Clusters
from starcluster.cluster.launching import launch_request
from starcluster.cluster.node import Node
from starcluster.cluster.record import ClusterRecord
from starcluster.logger import log
from starcluster.model import Instance, InstanceState, Market, Permission, Volume
from starcluster.ssh.access import Access

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2

HELPERS = "volumecreator"
MAKING = "@sc-making"
DEFAULT_TYPE = "t3.micro"
_GROUP_LIMIT = 300.0
_GROUP_PAUSE = 5.0
_GONE_PAUSE = 3.0


@dataclass(frozen=True, kw_only=True)
class VolumeWish:
    """What createvolume was asked for; `host` is an instance to use instead of a new helper."""

    size: int
    zone: str
    keyname: str
    image: str
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    instance_type: str = DEFAULT_TYPE
    bid: float | None = None
    mkfs_command: str = ""
    host: str = ""
    subnet_id: str = ""
    public_ips: bool | None = None

    @property
    def all_tags(self) -> dict[str, str]:
        return {**({record.NAME: self.name} if self.name else {}), **self.tags}


def create_volume(clusters: Clusters, wish: VolumeWish) -> Volume:
    """The new volume, formatted and free. On any failure, Ctrl-C too, neither volume nor helper is left."""
    check_wish(clusters.ec2, wish)
    host = _given_host(clusters, wish) if wish.host else None
    _tell_leftovers(clusters.ec2, wish.zone)
    with _new_volume(clusters, wish) as volume:
        if host is not None:
            _format(clusters, host, volume.id, wish)
        else:
            with _helper(clusters, wish, volume.id) as helper:
                _format(clusters, helper, volume.id, wish)
    clusters.ec2.volumes.tag(volume.id, wish.all_tags)
    clusters.ec2.instances.untag([volume.id], [MAKING])
    return clusters.ec2.volumes.get(volume.id)


def check_wish(ec2: Ec2, wish: VolumeWish) -> None:
    """Refuse what can be known to fail, before anything is made."""
    zones = [zone.name for zone in ec2.network.zones()]
    if wish.zone not in zones:
        raise exception.InvalidZone(
            f"there is no zone '{wish.zone}' in {ec2.region}", hint=f"the zones are: {', '.join(zones)}"
        )
    same = [one for one in ec2.volumes.find(names=[wish.name]) if one.state.value != "deleting"] if wish.name else []
    if same:
        raise exception.ConflictError(
            f"a volume named '{wish.name}' exists: {same[0].id} in {same[0].zone}",
            hint="choose another name, or remove that one: starcluster removevolume",
        )
    if not wish.host:
        offered = ec2.instances.offered_zones(wish.instance_type)
        if wish.zone not in offered:
            where = ", ".join(sorted(offered)) or "no zone of this region"
            raise exception.InvalidZone(
                f"the helper's type {wish.instance_type} is not offered in {wish.zone}",
                hint=f"name another with -I; {wish.instance_type} is offered in: {where}",
            )
        ec2.images.resolve(wish.image)
        if ec2.network.key_pair(wish.keyname) is None:
            raise exception.KeyPairDoesNotExist(
                f"key pair '{wish.keyname}' does not exist in {ec2.region}",
                hint="starcluster listkeypairs shows them, createkey makes one",
            )


def _tell_leftovers(ec2: Ec2, zone: str) -> None:
    """A run that was killed could not clean up: say what it left, it may also be at work still."""
    volumes = ec2.volumes.find(filters={"tag-key": MAKING, "availability-zone": zone})
    for volume in volumes:
        log.warning("%s was left by a createvolume that did not end, or is being made now", volume.id)
    group = ec2.network.group(names.group_name(HELPERS))
    hosts = ec2.instances.find(group_id=group.id) if group else []
    alive = [one for one in hosts if one.state.is_in_cluster]
    if alive:
        log.warning("There are volume hosts running: %s", ", ".join(f"{one.alias} ({one.id})" for one in alive))
        log.warning("If no other createvolume is at work: starcluster terminate %s", HELPERS)


@contextmanager
def _new_volume(clusters: Clusters, wish: VolumeWish) -> Iterator[Volume]:
    """A volume that is deleted again unless all goes well."""
    ec2 = clusters.ec2
    log.info("Creating %dGB volume in zone %s", wish.size, wish.zone)
    tags = {record.SCHEMA: str(record.CURRENT_SCHEMA), MAKING: wish.name or "unnamed"}
    create = partial(ec2.volumes.create, wish.size, wish.zone, tags=tags, token=f"sc-volume-{uuid.uuid4()}")
    made: Volume | None = None
    refused = False
    try:
        try:
            made = create()
        except exception.AWSError as error:
            refused = not isinstance(error, exception.TransientError)
            raise
        log.info("New volume id: %s", made.id)
        yield made
    except BaseException:
        if not refused:
            with _cleaning(f"starcluster removevolume {made.id if made else ''}"):
                # a call that was interrupted may have made it: with its token, asking again tells which
                _delete(clusters, made or create())
        raise


def _delete(clusters: Clusters, volume: Volume) -> None:
    log.info("Removing volume %s", volume.id)
    waiting.wait_volume_free(clusters.ec2, volume.id, clock=clusters.clock)
    clusters.ec2.volumes.delete(volume.id)


@contextmanager
def _cleaning(by_hand: str) -> Iterator[None]:
    """Cleaning up after a failure must not hide the failure; what could not be done is told."""
    try:
        yield
    except exception.BaseException as error:
        log.error("could not clean up: %s\ndo it by hand: %s", error.explain(), by_hand.strip())
    except KeyboardInterrupt:
        log.error("the clean-up was interrupted\ndo it by hand: %s", by_hand.strip())
        raise


def _format(clusters: Clusters, host: Node, volume_id: str, wish: VolumeWish) -> None:
    """Attach, make the file system, detach; detached also when something fails."""
    ec2, clock = clusters.ec2, clusters.clock
    waiting.wait_volume_free(ec2, volume_id, clock=clock)
    device = free_devices(host)[0]
    log.info("Attaching volume %s to instance %s", volume_id, host.id)
    try:
        ec2.volumes.attach(volume_id, host.id, device)
        waiting.wait_attached(ec2, volume_id, host.id, clock=clock)
        disk = host.find_volume_device(volume_id, device)
        log.info("Formatting volume with command: %s", wish.mkfs_command or "mkfs.ext4")
        host.make_filesystem(disk, command=wish.mkfs_command)
    except BaseException:
        with _cleaning(f"detach {volume_id} from {host.id}"):
            ec2.volumes.detach(volume_id, instance_id=host.id)
        raise
    ec2.volumes.detach(volume_id, instance_id=host.id)
    waiting.wait_volume_free(ec2, volume_id, clock=clock)


# -- the helper


def _given_host(clusters: Clusters, wish: VolumeWish) -> Node:
    """The instance that -H names, which must run in the volume's zone and let root in with the key."""
    instance = clusters.ec2.instances.get(wish.host)
    if instance.state is not InstanceState.RUNNING:
        raise exception.InstanceNotRunning(f"host instance {wish.host} is {instance.state}")
    if instance.zone != wish.zone:
        raise exception.VolumesZoneError(
            f"host instance {wish.host} is in {instance.zone}, the volume shall be in {wish.zone}",
            hint="name an instance of that zone, or leave -H out",
        )
    node = _node(clusters, instance, wish.keyname)
    waiting.wait_ssh(node)
    return node


def _node(clusters: Clusters, instance: Instance, keyname: str) -> Node:
    access = Access(
        key_file=Path(clusters.config.key(keyname).key_location),
        dialer=clusters.cloud.dialer,
        clock=clusters.clock,
        strict=clusters.config.globals.ssh_strict,
    )
    return Node(instance, ec2=clusters.ec2, access=access, region=clusters.ec2.region)


@contextmanager
def _helper(clusters: Clusters, wish: VolumeWish, volume_id: str) -> Iterator[Node]:
    """A new instance with SSH, which is gone again at the end."""
    ec2 = clusters.ec2
    cluster = _helpers_group(clusters, wish)
    alias = f"volhost-{wish.zone}"
    token = names.launch_token(owner=f"{cluster.group.id}/{volume_id}", alias=alias, generation=0, attempt=0)
    request = launch_request(
        cluster,
        alias=alias,
        instance_type=wish.instance_type,
        zone=wish.zone,
        market=Market.ON_DEMAND if wish.bid is None else Market.SPOT,
        max_price=wish.bid or None,
        token=token,
    )
    try:
        log.info("Launching volume host %s (%s, %s)", alias, wish.instance_type, request.market)
        instance = ec2.instances.launch(request)[0]
        running = waiting.wait_running(ec2, [instance.id], clock=clusters.clock)[0]
        node = _node(clusters, running, wish.keyname)
        log.info("Waiting for SSH on %s (%s)", alias, node.id)
        waiting.wait_ssh(node)
        yield node
    finally:
        with _cleaning(f"starcluster terminate -f {HELPERS}"):
            _release(clusters, cluster, token)


def _helpers_group(clusters: Clusters, wish: VolumeWish) -> Cluster:
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
    ssh = Permission(protocol="tcp", from_port=22, to_port=22, cidr=clusters.cloud.caller_cidr())
    clusters.ec2.network.authorize(cluster.group.id, [ssh])
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
