"""starcluster stop TAG..."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.commands.asking import confirm_option, confirmed
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App


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

    for tag in tags:
        cluster = app.clusters.get(tag)
        if not confirmed(f"Stop cluster {tag}", sure=confirm):
            continue
        lifecycle.stop(cluster, terminate_unstoppable=terminate_unstoppable, force=force)
        log.info("Cluster %s is stopped; starcluster start -x %s goes on", tag, tag)
