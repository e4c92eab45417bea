"""starcluster removenode TAG"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster import exception, names
from starcluster.commands.addnode import check_count, split
from starcluster.commands.asking import confirm_option, confirmed
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.cluster.cluster import Cluster
    from starcluster.cluster.node import Node
    from starcluster.model import Instance


@click.command()
@click.argument("tag")
@click.argument("old_aliases", metavar="[ALIAS]...", nargs=-1)
@click.option("-a", "--aliases", "given", multiple=True, metavar="A[,B...]", help="Nodes to remove.")
@click.option(
    "-n", "--num-nodes", type=click.IntRange(min=1), default=1, show_default=True, help="How many of the last."
)
@click.option("-k", "--keep-instance", is_flag=True, help="Take it out of the cluster's set-up, but let it run.")
@confirm_option
@click.option("-f", "--force", is_flag=True, help="Go on when plugins fail.")
@click.pass_obj
def command(
    app: App,
    tag: str,
    old_aliases: tuple[str, ...],
    given: tuple[str, ...],
    num_nodes: int,
    keep_instance: bool,
    confirm: bool,
    force: bool,
) -> None:
    """Remove nodes; without -a the last of the numbered workers.

    \b
    Examples:
      starcluster removenode -a mynode mycluster
      starcluster removenode -n 2 mycluster
    """
    from starcluster.cluster import lifecycle

    aliases = split([*given, *old_aliases])
    check_count(aliases, num_nodes)
    if names.fold(f"{tag}-{names.MASTER}") in map(names.fold, aliases):
        raise _no_master(tag)
    cluster = app.clusters.get(tag)
    nodes = [_named(cluster, alias) for alias in aliases] if aliases else last_workers(cluster, num_nodes)
    if any(node.is_master() for node in nodes):
        raise _no_master(tag)
    if not confirmed(f"Remove {', '.join(node.alias for node in nodes)} from {tag}", sure=confirm):
        return
    for node in nodes:
        lifecycle.remove_node(cluster, node, force=force, terminate=not keep_instance)
        log.info("Removed %s", node.alias)
    if not keep_instance:
        _count_costs(app, tag, [node.alias for node in nodes])


def _no_master(tag: str) -> exception.UsageError:
    return exception.UsageError("the master can not be removed", hint=f"starcluster terminate {tag} ends it all")


def _named(cluster: Cluster, alias: str) -> Node:
    """The node, be it dead: the others may still know it, and EC2 knows it for a while."""
    try:
        return cluster.get_node(alias)
    except exception.NodeDoesNotExist:
        gone = [one for one in cluster.ec2.instances.find(cluster=cluster.tag) if _fits(one, alias)]
        if not gone:
            raise
        return cluster.node_of(gone[-1])


def _fits(instance: Instance, alias: str) -> bool:
    return names.fold(alias) in (names.fold(instance.alias), instance.id)


def _count_costs(app: App, tag: str, aliases: list[str]) -> None:
    """What named nodes have cost goes into their records now: EC2 soon forgets the machines."""
    from starcluster.cluster.costs import Meter, of_name
    from starcluster.cluster.namerecord import NameRecords

    if all(names.is_numbered(alias.rpartition("-")[2]) for alias in aliases):
        return
    try:
        records, meter = NameRecords(app.ec2.templates, tag), Meter(app.ec2, app.clock)
        known, instances = records.find(), app.ec2.instances.find(cluster=tag)
        for record in [known[names.fold(alias)] for alias in aliases if names.fold(alias) in known]:
            records.change(record, spent=meter.settle(record, of_name(instances, record.name)))
    except exception.AWSError as error:
        log.debug("the costs are not counted: %s", error)


def last_workers(cluster: Cluster, count: int) -> list[Node]:
    """The numbered workers with the highest numbers, the last first; named nodes are removed by name only."""
    workers = [node for node in cluster.workers if names.is_numbered(node.alias.rpartition("-")[2])]
    if len(workers) < count:
        raise exception.ClusterValidationError(
            f"cluster '{cluster.tag}' has {len(workers)} numbered workers, not {count}",
            hint="named nodes are removed by name: removenode -a NAME",
        )
    return list(reversed(workers))[:count]
