"""starcluster detachvolume VOLUME"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.commands.asking import confirm_option, confirmed
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@click.argument("volume", metavar="VOLUME")
@click.option("-f", "--force", is_flag=True, help="Take it away although it is in use: unsaved writes are lost.")
@confirm_option
@click.pass_obj
def command(app: App, volume: str, force: bool, confirm: bool) -> None:
    """Unmount VOLUME, named by id or Name tag, where it is attached, and detach it.

    If something on the node holds it, nothing is done, and the processes are named.

    \b
    Example:
      starcluster detachvolume data
    """
    from starcluster.cluster import mounting

    found = app.ec2.volumes.get(volume)
    if found.holder is None:
        log.info("%s is not attached to anything", found.id)
        return
    if force:
        log.warning("By --force, %s", mounting.LOST_WRITES)
        if not confirmed(f"Take {found.id} away from {found.holder.instance_id}", sure=confirm):
            return
    mounting.detach_volume(app.clusters, found, force=force)
    log.info("%s is free", found.id)
