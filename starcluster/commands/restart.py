"""starcluster restart TAG..."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@click.argument("tags", metavar="TAG...", nargs=-1, required=True)
@click.option("-o", "--reboot-only", is_flag=True, help="Reboot, and set nothing up.")
@click.pass_obj
def command(app: App, tags: tuple[str, ...], reboot_only: bool) -> None:
    """Reboot all nodes of a cluster and set it up again.

    \b
    Example:
      starcluster restart mycluster
    """
    from starcluster.cluster import lifecycle

    app.clusters.check(tags)
    for tag in dict.fromkeys(tags):
        lifecycle.restart(app.clusters.get(tag), reboot_only=reboot_only)
        log.info("Cluster %s is %s", tag, "rebooting" if reboot_only else "set up again")
