"""starcluster get TAG REMOTE... LOCAL"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@click.argument("tag")
@click.argument("sources", metavar="REMOTE...", nargs=-1, required=True)
@click.argument("target", metavar="LOCAL")
@click.option("-u", "--user", default="root", show_default=True, help="Copy as this user.")
@click.option("-n", "--node", default="master", show_default=True, help="Copy from this node.")
@click.pass_obj
def command(app: App, tag: str, sources: tuple[str, ...], target: str, user: str, node: str) -> None:
    """Copy files and folders from a cluster; wildcards (in quotes) are read by the node.

    \b
    Examples:
      starcluster get mycluster /home/metrics.json .
      starcluster get mycluster '/home/runs/*.log' logs/
    """
    from starcluster.cluster import transfer
    from starcluster.commands.progress import bar

    chosen = app.clusters.get(tag).get_node(node)
    with bar(f"from {chosen.alias}") as progress:
        transfer.get(chosen, sources, target, user=user, progress=progress)
