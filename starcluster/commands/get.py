"""starcluster get TAG REMOTE... LOCAL"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.commands.words import check_copy

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@click.argument("tag")
@click.argument("sources", metavar="REMOTE...", nargs=-1)
@click.argument("target", metavar="LOCAL", required=False)
@click.option("-u", "--user", default="root", show_default=True, help="Copy as this user.")
@click.option("-n", "--node", default="master", show_default=True, help="Copy from this node.")
@click.option("--checksum", is_flag=True, help="Compare what is there by its bytes, not by size and time.")
@click.pass_obj
def command(app: App, tag: str, sources: tuple[str, ...], target: str, user: str, node: str, checksum: bool) -> None:
    """Copy files and folders from a cluster; wildcards (in quotes) are read by the node.

    \b
    Examples:
      starcluster get mycluster /home/metrics.json .
      starcluster get mycluster '/home/runs/*.log' logs/
    """
    check_copy(sources, target)
    from starcluster.cluster.headstart import headstart

    given = app.options
    with headstart(given.config, given.cloud, given.region, tag, node, user) as begun:
        from starcluster.cluster import transfer
        from starcluster.commands.progress import bar, tell

        chosen = app.clusters.get(tag).get_node(node)
        with bar(f"from {chosen.alias}") as meter:
            copied = transfer.get(chosen, sources, target, user=user, meter=meter, checksum=checksum, begun=begun)
    tell(copied)
