"""starcluster showconsole INSTANCE, or showconsole TAG NODE"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@click.argument("instance", metavar="INSTANCE|TAG")
@click.argument("node", required=False)
@click.pass_obj
def command(app: App, instance: str, node: str | None) -> None:
    """Show what an instance printed while it booted: one by its id, or a cluster's node.

    \b
    Examples:
      starcluster showconsole i-0123456789abcdef0
      starcluster showconsole mycluster node001
    """
    chosen = app.clusters.get(instance).get_node(node).id if node else app.ec2.instances.get(instance).id
    text = app.ec2.instances.console(chosen)
    if not text:
        log.info("No console output available yet: EC2 posts it some minutes after the boot")
        return
    click.echo(text)
