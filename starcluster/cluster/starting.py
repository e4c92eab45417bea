"""`start`: from a template to a running cluster, and from a stopped cluster to a running one.

A start that was killed is taken up by the same command: the group's phase tells that it was not finished, and the
launch tokens give the instances that were asked for already.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starcluster import __version__, exception, names
from starcluster.cluster import letin, openports, pools, record, sshrules, starter, userdata, waiting
from starcluster.cluster.asking import launch_nodes
from starcluster.cluster.launching import NodeSpec
from starcluster.cluster.record import ClusterRecord, NodeKind, PluginRecord, VolumeRecord
from starcluster.cluster.setup import set_up_cluster
from starcluster.clustersetup import ClusterSetup, WantedNode
from starcluster.config.schema import ON_DEMAND
from starcluster.logger import log
from starcluster.model import Instance, InstanceState, Market, Permission

if TYPE_CHECKING:
    from starcluster.cluster.cluster import Cluster, Clusters
    from starcluster.config.schema import ClusterTemplate, PermissionSettings

DEFAULT_WAIT = 30.0  # minutes, as in a train.cfg


def record_of(
    template: ClusterTemplate, tag: str, *, zone: str, volumes: Sequence[VolumeRecord], zones: Sequence[str] = ()
) -> ClusterRecord:
    """What is kept of a template for as long as the cluster lives."""
    return ClusterRecord(
        keyname=template.keyname,
        template=template.name,
        cluster_size=template.cluster_size,
        master_image=template.master_image_id or template.node_image_id,
        master_type=template.master_instance_type or template.node_instance_type,
        node_image=template.node_image_id,
        node_type=template.node_instance_type,
        node_kinds=tuple(_kinds(template)),
        other_types=template.node_instance_types_or,
        zone=zone,
        zones=tuple(zones),
        subnet_id=template.subnet_id,
        public_ips=template.public_ips,
        dns_prefix=tag if template.dns_prefix else "",
        disable_queue=template.disable_queue,
        disable_cloudinit=template.disable_cloudinit,
        login_user=template.login_user,
        iam_profile=template.iam_profile,
        placement_group=template.placement_group,
        root_volume_size=template.root_volume_size,
        root_volume_type=template.root_volume_type,
        root_volume_iops=template.root_volume_iops,
        root_volume_throughput=template.root_volume_throughput,
        force_spot_master=template.force_spot_master,
        spot_bid=template.spot_bid,
        master_spot_bid=template.master_spot_bid,
        spot_max_wait=template.spot_max_wait,
        fallback=template.fallback,
        cluster_user=template.cluster_user,
        cluster_shell=template.cluster_shell,
        userdata_scripts=userdata.read_scripts(template.userdata_scripts),
        rules=openports.recorded(template.permissions),
        volumes=tuple(volumes),
        plugins=tuple(
            PluginRecord(name=one.name, setup_class=one.setup_class, settings=dict(one.arguments))
            for one in template.plugins
        ),
    )


def _kinds(template: ClusterTemplate) -> Iterator[NodeKind]:
    for run in template.type_runs:
        for _ in range(run.count):
            yield NodeKind(instance_type=run.instance_type, image=run.image_id)


def specs_of(wanted: ClusterRecord, plugins: Sequence[ClusterSetup], *, zone: str) -> list[NodeSpec]:
    """The cluster's nodes: the master first, numbered workers, then the ones that plugins want."""
    specs = [_master_spec(wanted, zone)]
    for number in range(1, wanted.cluster_size):
        specs.append(_worker_spec(wanted, number, zone))
    for plugin in plugins:
        specs += [_wanted_spec(wanted, node, zone) for node in plugin.wanted_nodes()]
    return specs


def _alias(wanted: ClusterRecord, base: str) -> str:
    return f"{wanted.dns_prefix}-{base}" if wanted.dns_prefix else base


def _master_spec(wanted: ClusterRecord, zone: str) -> NodeSpec:
    """On demand, unless it has a bid of its own or is forced to go with the workers'."""
    bid = wanted.master_spot_bid
    if bid is None and wanted.force_spot_master:
        bid = wanted.spot_bid
    return NodeSpec(
        alias=_alias(wanted, names.MASTER),
        instance_type=wanted.master_type,
        image=wanted.master_image,
        zone=zone,
        zones=() if zone else wanted.zones,
        grouped=wanted.placement_group,
        **market_of(wanted, bid),
    )


def _worker_spec(wanted: ClusterRecord, number: int, zone: str) -> NodeSpec:
    kind = wanted.node_kinds[number - 1] if number <= len(wanted.node_kinds) else NodeKind(instance_type="")
    instance_type = kind.instance_type or wanted.node_type
    return NodeSpec(
        alias=_alias(wanted, names.node_alias(number)),
        instance_type=instance_type,
        other_types=pools.types_for(instance_type, default=wanted.node_type, others=wanted.other_types),
        image=kind.image or wanted.node_image,
        zone=zone,
        zones=() if wanted.placement_group and zone else zones_from(zone, wanted.zones),
        grouped=wanted.placement_group,
        **market_of(wanted, wanted.spot_bid),
    )


def market_of(wanted: ClusterRecord, bid: float | None) -> dict[str, Any]:
    """What a NodeSpec says of its market; None = on demand, 0 = on spot, at most the price on demand."""
    if bid is None:
        return {"market": Market.ON_DEMAND}
    fallback = wanted.fallback == ON_DEMAND
    minutes = wanted.spot_max_wait if wanted.spot_max_wait is not None else DEFAULT_WAIT if fallback else 0
    return {
        "market": Market.SPOT,
        "max_price": bid or None,
        "max_wait": minutes * 60,
        "then_on_demand": fallback,
    }


def zones_from(zone: str, zones: Sequence[str]) -> tuple[str, ...]:
    """Where a worker may be: all the zones, the master's first; () where there is nothing to choose."""
    return tuple(dict.fromkeys([zone, *zones])) if zone and zones else tuple(zones)


def _wanted_spec(wanted: ClusterRecord, node: WantedNode, zone: str) -> NodeSpec:
    spot = node.market is Market.SPOT
    return NodeSpec(
        alias=names.check_alias(node.alias),
        instance_type=node.instance_type or wanted.node_type,
        image=node.image or wanted.node_image,
        zone=zone,
        market=node.market,
        max_price=(node.bid or None) if spot else None,
        may_lack=spot,
    )


def permissions_of(wanted: Sequence[PermissionSettings], *, callers: Sequence[str], group_id: str) -> list[Permission]:
    """The group's rules: SSH from the callers, everything inside the group, and the config's own."""
    inside = Permission(protocol="-1", from_port=-1, to_port=-1, group_id=group_id)
    own = [rule for one in wanted for rule in sshrules.rules_of(one)]
    covered = any(sshrules.covers_ssh(one) for one in own)
    return [inside, *([] if covered else sshrules.rules(callers)), *own]


def start(
    clusters: Clusters,
    tag: str,
    wanted: ClusterRecord,
    plugins: Sequence[ClusterSetup],
    permissions: Sequence[PermissionSettings] = (),
    *,
    create_only: bool = False,
    extra_tags: Mapping[str, str] | None = None,
) -> Cluster:
    """Make the cluster; the caller has validated. What could not be launched leaves nothing behind."""
    found = clusters.find(tag)
    cluster = _group(clusters, found, tag, wanted, permissions, extra_tags)
    cluster.plugins = list(plugins)  # the record names the same: each is made once, as in StarCluster
    with starter.Heart(cluster, clusters.clock) as heart:
        try:
            _make_placement_group(cluster)
            instances = _launch(cluster, plugins, again=found is not None)
        except exception.AWSError:
            heart.check()
            _undo(cluster)
            raise
        heart.check()
        waiting.wait_running(clusters.ec2, [one.id for one in instances], clock=clusters.clock)
        heart.check()
        cluster.load()
        if not create_only:
            set_up_cluster(cluster)
        else:
            cluster.set_phase(record.PHASE_UP)
    return cluster


def _group(
    clusters: Clusters,
    found: Cluster | None,
    tag: str,
    wanted: ClusterRecord,
    permissions: Sequence[PermissionSettings],
    extra_tags: Mapping[str, str] | None,
) -> Cluster:
    """The new cluster's group with its record and rules; that of a start which did not end, as it is."""
    if found is None:
        found = _create_group(clusters, tag, wanted, extra_tags)
    elif found.phase != record.PHASE_LAUNCHING:
        raise already_there(found)
    else:
        starter.check(found, clusters.clock)
        log.info("Going on with the start of %s that did not end", tag)
        check_same(found, wanted)
        clusters.ec2.network.tag_group(found.group.id, {record.STARTER: starter.mark(clusters.clock)})
    callers = letin.callers(clusters.cloud, clusters.ec2)
    rules = permissions_of(permissions, callers=callers, group_id=found.group.id)
    clusters.ec2.network.authorize(found.group.id, rules)
    found.group = dataclasses.replace(found.group, permissions=(*found.group.permissions, *rules))
    return found


def _create_group(clusters: Clusters, tag: str, wanted: ClusterRecord, extra_tags: Mapping[str, str] | None) -> Cluster:
    log.info("Creating security group %s...", names.group_name(tag))
    tags = {
        **record.resource_tags(tag, extra=extra_tags),
        **record.to_tags(wanted),
        record.PHASE: record.PHASE_LAUNCHING,
        record.STARTER: starter.mark(clusters.clock),
        **({record.PLACEMENT: names.group_name(tag)} if wanted.placement_group else {}),
    }
    vpc_id = _vpc(clusters, wanted)
    try:
        clusters.ec2.network.create_group(
            names.group_name(tag), f"starcluster-spot {__version__}: cluster {tag}", vpc_id, tags
        )
    except exception.ConflictError as error:
        raise exception.ClusterExists(
            f"cluster '{tag}' was made by somebody else in this moment",
            hint=f"wait for that one: starcluster listclusters {tag}; or choose another name",
        ) from error
    return clusters.get(tag)


def _make_placement_group(cluster: Cluster) -> None:
    """After the security group, whose tag tells of it: who dies between the two leaves nothing that is not found."""
    if cluster.record.placement_group:
        log.info("Creating placement group %s...", cluster.group.name)
        cluster.ec2.network.create_placement_group(cluster.group.name, cluster.resource_tags())


def _vpc(clusters: Clusters, wanted: ClusterRecord) -> str:
    if wanted.subnet_id:
        found = clusters.ec2.network.subnets(ids=[wanted.subnet_id])
        if found:
            return found[0].vpc_id
        raise exception.SubnetDoesNotExist(f"subnet {wanted.subnet_id} does not exist")
    vpc_id = clusters.ec2.network.default_vpc()
    if not vpc_id:
        raise exception.ClusterValidationError(
            f"region {clusters.ec2.region} has no default VPC", hint="set SUBNET_ID in the cluster's template"
        )
    return vpc_id


def check_same(cluster: Cluster, wanted: ClusterRecord) -> None:
    """A start is only taken up with the settings that it began with: the tokens stand for them."""
    before = dataclasses.replace(cluster.record, version="")
    if before != dataclasses.replace(wanted, version=""):
        raise exception.ClusterExists(
            f"cluster '{cluster.tag}' was begun with other settings and is not finished",
            hint=f"starcluster terminate {cluster.tag} removes it; then start again",
        )


def already_there(cluster: Cluster) -> exception.ClusterExists:
    """Why `start` refuses, and what may have been meant."""
    nodes = cluster.nodes
    if cluster.phase == record.PHASE_TERMINATING:
        hint = f"it is being terminated; starcluster terminate {cluster.tag} ends what is left"
    elif nodes and all(node.is_stopped() for node in nodes):
        hint = (
            f"it is stopped: starcluster start -x {cluster.tag} starts it, starcluster terminate {cluster.tag} ends it"
        )
    elif nodes:
        hint = (
            f"it has {len(nodes)} {'node' if len(nodes) == 1 else 'nodes'}: use another name,"
            f" starcluster restart {cluster.tag} to set it up again, "
            f"or starcluster terminate {cluster.tag}"
        )
    else:
        hint = f"it has no nodes any more: {_remove_first(cluster)}"
    return exception.ClusterExists(f"cluster '{cluster.tag}' exists already", hint=hint)


def _remove_first(cluster: Cluster) -> str:
    return f"starcluster terminate {cluster.tag} removes what is left (volumes stay), then start makes it anew"


def _launch(cluster: Cluster, plugins: Sequence[ClusterSetup], *, again: bool) -> list[Instance]:
    """The master first where no zone is fixed: the others go to its zone, or are near it."""
    wanted = cluster.record
    present = {names.fold(node.alias): node.described for node in cluster.load().nodes} if again else {}
    specs = specs_of(wanted, plugins, zone=wanted.zone)
    log.info("Launching a %d-node cluster...", len(specs))
    first = specs[0]
    if first.zones:
        first = dataclasses.replace(first, zones=_zones_of_workers(cluster, specs[1:]) or first.zones)
    master = launch_nodes(cluster, [first], present=present)
    zone = wanted.zone or master[0].zone
    rest = launch_nodes(cluster, specs_of(wanted, plugins, zone=zone)[1:], present=present)
    for instance in [*master, *rest]:
        what = "Found" if names.fold(instance.alias) in present else "Launched"
        log.info("%s %s: %s (%s, %s)", what, instance.alias, instance.id, instance.instance_type, instance.market)
    return [*master, *rest]


def _zones_of_workers(cluster: Cluster, workers: Sequence[NodeSpec]) -> tuple[str, ...]:
    """The master's zones, the one where the first worker is cheapest first."""
    if not workers:
        return ()
    first, offers = workers[0], pools.Offers(cluster.ec2, cluster.clock)
    return tuple(pools.cheapest_zones(first.zones, offers.prices(first.types, first.zones, first.market)))


def _undo(cluster: Cluster) -> None:
    """A launch that EC2 refused: end what was launched before, and the group."""
    from starcluster.cluster.lifecycle import terminate

    log.error("The launch failed; removing what was made")
    try:
        terminate(cluster, force=True)
    except exception.BaseException as error:
        log.error("what was made could not be removed: %s\nstarcluster terminate -f %s", error.explain(), cluster.tag)


def resume(cluster: Cluster, *, create_only: bool = False) -> None:
    """`start -x`: start the stopped nodes of a cluster and set it up again."""
    cluster.record.check_writable(cluster.tag)
    nodes = cluster.load().nodes
    if not nodes:
        raise exception.ClusterNotRunning(
            f"cluster '{cluster.tag}' has no nodes to start: all are terminated", hint=_remove_first(cluster)
        )
    _ = cluster.master_node
    if not create_only:
        _ = cluster.plugins  # one that can not be made is told before anything is paid for
    stopping = [node.id for node in nodes if node.state is InstanceState.STOPPING]
    if stopping:
        waiting.wait_states(
            cluster.ec2, stopping, [InstanceState.STOPPED], clock=cluster.clock, limit=waiting.STOP_LIMIT
        )
    stopped = [node for node in nodes if not node.state.is_alive]
    for node in stopped:
        log.info("Starting stopped node: %s", node.alias)
    cluster.ec2.instances.start([node.id for node in stopped])
    waiting.wait_running(cluster.ec2, [node.id for node in nodes], clock=cluster.clock)
    cluster.load()
    if not create_only:
        set_up_cluster(cluster)
