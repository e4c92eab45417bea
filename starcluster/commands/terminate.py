"""starcluster terminate TAG..."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster import exception
from starcluster.commands.asking import confirm_option, confirmed

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.cluster.cluster import Cluster


@click.command()
@click.argument("tags", metavar="TAG...", nargs=-1, required=True)
@confirm_option
@click.option("-f", "--force", is_flag=True, help="Instances first: no plugins, no unmounting, no look at the record.")
@click.pass_obj
def command(app: App, tags: tuple[str, ...], confirm: bool, force: bool) -> None:
    """End clusters for good: nodes, spot requests, names, group. Data volumes stay.

    \b
    Example:
      starcluster terminate -c mycluster
    """
    from starcluster.cluster import lifecycle

    app.clusters.check(tags)
    for tag in dict.fromkeys(tags):
        cluster = app.clusters.get(tag)
        if not force:
            _check_record(cluster)
        if confirmed(f"Terminate cluster {tag}", sure=confirm):
            lifecycle.terminate(cluster, force=force)


def _check_record(cluster: Cluster) -> None:
    """A record that can not be read, or is newer than we are, is no matter for a plain terminate."""
    cluster.record.check_writable(cluster.tag)
    if not cluster.group.tags:
        raise exception.IncompatibleCluster(f"cluster '{cluster.tag}' has no record")
