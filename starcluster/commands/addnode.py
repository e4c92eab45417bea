"""starcluster addnode TAG"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from starcluster import exception, names
from starcluster.commands.showing import counted
from starcluster.config.schema import FALLBACKS
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.cluster.adding import AddWish
    from starcluster.cluster.cluster import Cluster
    from starcluster.cluster.joining import Joined


@click.command()
@click.argument("tag")
@click.option("-a", "--alias", "aliases", multiple=True, metavar="A[,B...]", help="Names of the new nodes.")
@click.option("-n", "--num-nodes", type=click.IntRange(min=1), default=1, show_default=True, help="How many.")
@click.option("-i", "--image-id", metavar="IMAGE", help="Image of the new nodes.")
@click.option("-I", "--instance-type", metavar="TYPE[,TYPE]", help="Instance type of the new nodes; several: the best.")
@click.option("-z", "--availability-zone", metavar="ZONE", help="Zone of the new nodes  [default: the cluster's].")
@click.option(
    "-b", "--bid", type=float, metavar="PRICE", help="On spot, at most this much an hour; 0 = on-demand price."
)
@click.option("-x", "--no-create", is_flag=True, help="Only set up nodes that are there, named by -a.")
@click.option("--on-demand", is_flag=True, help="On demand, although the cluster's workers are on spot.")
@click.option("--subnet-id", metavar="SUBNET", help="Subnet of the new nodes, in the cluster's VPC.")
@click.option(
    "--spot-max-wait", type=click.FloatRange(min=0), metavar="MINUTES", help="Wait so long for spot machines."
)
@click.option("--fallback", type=click.Choice(FALLBACKS), help="And then: on demand, or give up.")
@click.option("--keep-failed", is_flag=True, help="Keep nodes whose set-up failed, for addnode -x.")
@click.pass_obj
def command(
    app: App,
    /,
    tag: str,
    aliases: tuple[str, ...],
    num_nodes: int,
    no_create: bool,
    keep_failed: bool,
    **settings: Any,
) -> int | None:
    """Add nodes to a running cluster, all side by side: each is set up as soon as it is there.

    One that fails is tried once more and then taken away again; the others stay.

    \b
    Examples:
      starcluster addnode -n 2 mycluster
      starcluster addnode -a mynode -I c5.2xlarge,c5a.2xlarge -b 0.15 mycluster
      starcluster addnode -n 4 -b 0 --spot-max-wait 10 --fallback on-demand mycluster
      starcluster addnode -x -a node003 mycluster
    """
    from starcluster.cluster import adding

    wanted = split(aliases)
    check_aliases(tag, wanted, num_nodes)
    if no_create and not wanted:
        raise exception.UsageError("-x needs -a", hint="name the nodes to set up: addnode -x -a node001 mycluster")
    cluster = app.clusters.get(tag)
    if no_create:
        joined = adding.set_up_again(cluster, wanted)
    else:
        refuse_taken(cluster, wanted)
        wish = _wish(settings, keep=keep_failed)
        joined = adding.add(cluster, wanted or cluster.free_aliases(num_nodes), wish)
    log.info("Cluster %s has %s", tag, counted(len(cluster.load().nodes), "node"))
    return _tell_failed(tag, joined) if joined.failed else None


def _wish(settings: dict[str, Any], *, keep: bool) -> AddWish:
    from starcluster.cluster.adding import AddWish

    if settings["on_demand"] and settings["bid"] is not None:
        raise exception.UsageError("--on-demand and --bid exclude each other")
    if settings["subnet_id"] and settings["availability_zone"]:
        raise exception.UsageError("--subnet-id and -z exclude each other", hint="a subnet is in one zone")
    return AddWish(
        instance_type=settings["instance_type"] or "",
        image=settings["image_id"] or "",
        zone=settings["availability_zone"] or "",
        subnet_id=settings["subnet_id"] or "",
        bid=settings["bid"],
        on_demand=settings["on_demand"],
        max_wait=settings["spot_max_wait"],
        fallback=settings["fallback"] or "",
        keep=keep,
    )


def _tell_failed(tag: str, joined: Joined) -> int:
    """One error with all names; each reason was told when it came up."""
    gone = [alias for alias in joined.failed if alias not in joined.kept]
    if gone:
        log.error("not added, and nothing is left of them: %s", ", ".join(sorted(gone)))
    if joined.kept:
        kept = ",".join(sorted(joined.kept))
        log.error("not set up, and kept: %s\nstarcluster addnode -x -a %s %s sets them up", kept, kept, tag)
    return 1


def split(aliases: Sequence[str]) -> list[str]:
    """The aliases of several options, each with commas."""
    return [word.strip() for given in aliases for word in given.split(",") if word.strip()]


def check_count(aliases: Sequence[str], count: int) -> None:
    """UsageError for aliases that are not as many as -n says, and for one that is there twice."""
    if aliases and count not in (1, len(aliases)):
        raise exception.UsageError(f"{len(aliases)} aliases for {count} nodes")
    folded = [names.fold(alias) for alias in aliases]
    for alias in aliases:
        if folded.count(names.fold(alias)) > 1:
            raise exception.UsageError(f"the alias '{alias}' is given twice")


def check_aliases(tag: str, aliases: Sequence[str], count: int) -> None:
    """UsageError for aliases that can not be given."""
    check_count(aliases, count)
    for alias in aliases:
        if names.fold(alias) in (names.MASTER, names.fold(f"{tag}-{names.MASTER}")):
            raise exception.UsageError(f"'{alias}' is the name of the master")
        if not names.is_numbered(alias.rpartition("-")[2]):
            names.check_alias(alias)


def refuse_taken(cluster: Cluster, aliases: Sequence[str]) -> None:
    taken = {names.fold(node.alias) for node in cluster.nodes}
    for alias in aliases:
        if names.fold(alias) in taken:
            raise exception.ClusterValidationError(
                f"cluster '{cluster.tag}' has a node '{alias}' already",
                hint=f"addnode -x -a {alias} {cluster.tag} sets it up again",
            )
