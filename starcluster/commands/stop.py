"""starcluster stop TAG..."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.commands.asking import confirm_option, confirmed
from starcluster.logger import log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starcluster.app import App
    from starcluster.cluster.node import Node


@click.command()
@click.argument("tags", metavar="TAG...", nargs=-1, required=True)
@confirm_option
@click.option("-t", "--terminate-unstoppable", is_flag=True, help="Terminate the nodes that can not be stopped.")
@click.option("-f", "--force", is_flag=True, help="Go on when plugins or settings fail.")
@click.pass_obj
def command(app: App, tags: tuple[str, ...], confirm: bool, terminate_unstoppable: bool, force: bool) -> None:
    """Stop clusters: `start -x` goes on with them. Stopped nodes cost their disks only.

    \b
    Example:
      starcluster stop mycluster
    """
    from starcluster.cluster import lifecycle

    app.clusters.check(tags)
    for tag in dict.fromkeys(tags):
        cluster = app.clusters.get(tag)
        if not confirmed(question(tag, cluster.nodes if terminate_unstoppable else ()), sure=confirm):
            continue
        lifecycle.stop(cluster, terminate_unstoppable=terminate_unstoppable, force=force)
        log.info("Cluster %s is stopped; starcluster start -x %s goes on", tag, tag)


def question(tag: str, nodes: Sequence[Node]) -> str:
    """What `stop` asks; of these nodes (-t) it names those that it would end for good."""
    ended = [node.alias for node in nodes if not node.is_stoppable()]
    return f"Stop cluster {tag}" + (f" and terminate {', '.join(ended)} (spot)" if ended else "")
