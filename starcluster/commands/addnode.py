"""starcluster addnode TAG"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from starcluster import exception, names
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.cluster.cluster import Cluster


@click.command()
@click.argument("tag")
@click.option("-a", "--alias", "aliases", multiple=True, metavar="A[,B...]", help="Names of the new nodes.")
@click.option("-n", "--num-nodes", type=click.IntRange(min=1), default=1, show_default=True, help="How many.")
@click.option("-i", "--image-id", metavar="IMAGE", help="Image of the new nodes.")
@click.option("-I", "--instance-type", metavar="TYPE", help="Instance type of the new nodes.")
@click.option("-z", "--availability-zone", metavar="ZONE", help="Zone of the new nodes  [default: the cluster's].")
@click.option("-b", "--bid", type=float, metavar="PRICE", help="On spot, at most this much an hour.")
@click.option("-x", "--no-create", is_flag=True, help="Only set up nodes that are there, named by -a.")
@click.pass_obj
def command(
    app: App,
    tag: str,
    aliases: tuple[str, ...],
    num_nodes: int,
    image_id: str | None,
    instance_type: str | None,
    availability_zone: str | None,
    bid: float | None,
    no_create: bool,
) -> None:
    """Add nodes to a running cluster.

    \b
    Examples:
      starcluster addnode -n 2 mycluster
      starcluster addnode -a mynode -I c5.2xlarge -b 0.15 mycluster
      starcluster addnode -x -a node003 mycluster
    """
    from starcluster.cluster import adding

    wanted = split(aliases)
    check_aliases(tag, wanted, num_nodes)
    if no_create and not wanted:
        raise exception.UsageError("-x needs -a", hint="name the nodes to set up: addnode -x -a node001 mycluster")
    cluster = app.clusters.get(tag)
    if no_create:
        adding.set_up_again(cluster, wanted)
    else:
        _refuse_taken(cluster, wanted)
        adding.add(
            cluster,
            wanted or cluster.free_aliases(num_nodes),
            instance_type=instance_type or "",
            image=image_id or "",
            zone=availability_zone or "",
            bid=bid,
        )
    log.info("Cluster %s has %d nodes", tag, len(cluster.load().nodes))


def split(aliases: Sequence[str]) -> list[str]:
    """The aliases of several options, each with commas."""
    return [word.strip() for given in aliases for word in given.split(",") if word.strip()]


def check_aliases(tag: str, aliases: Sequence[str], count: int) -> None:
    """UsageError for aliases that can not be given."""
    if aliases and count not in (1, len(aliases)):
        raise exception.UsageError(f"{len(aliases)} aliases for {count} nodes")
    folded = [names.fold(alias) for alias in aliases]
    for alias in aliases:
        if folded.count(names.fold(alias)) > 1:
            raise exception.UsageError(f"the alias '{alias}' is given twice")
        if names.fold(alias) in (names.MASTER, names.fold(f"{tag}-{names.MASTER}")):
            raise exception.UsageError(f"'{alias}' is the name of the master")
        if not names.is_numbered(alias.rpartition("-")[2]):
            names.check_alias(alias)


def _refuse_taken(cluster: Cluster, aliases: Sequence[str]) -> None:
    taken = {names.fold(node.alias) for node in cluster.nodes}
    for alias in aliases:
        if names.fold(alias) in taken:
            raise exception.ClusterValidationError(
                f"cluster '{cluster.tag}' has a node '{alias}' already",
                hint=f"addnode -x -a {alias} {cluster.tag} sets it up again",
            )
