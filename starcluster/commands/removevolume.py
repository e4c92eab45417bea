"""starcluster removevolume VOLUME..."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster import exception
from starcluster.cluster.drives.drive import DRIVE
from starcluster.commands.asking import confirm_option, confirmed
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.model import Volume


@click.command()
@click.argument("volumes", metavar="VOLUME...", nargs=-1, required=True)
@confirm_option
@click.pass_obj
def command(app: App, volumes: tuple[str, ...], confirm: bool) -> None:
    """Delete volumes, named by id or Name tag, and what is on them, for good.

    \b
    Example:
      starcluster removevolume home
    """
    # all are looked at before the first is deleted
    found = [_free(app.ec2.volumes.get(name)) for name in volumes]
    for volume in found:
        called = f"{volume.id} ({volume.name})" if volume.name else volume.id
        if drive := volume.tags.get(DRIVE):
            log.warning("%s is of the drive %s: what none of its snapshots has is lost with it", volume.id, drive)
            log.warning("starcluster drive show %s tells its newest one", drive)
        if not confirmed(f"**PERMANENTLY** delete {called}", sure=confirm):
            return
        app.ec2.volumes.delete(volume.id)
        log.info("Volume %s removed", called)


def _free(volume: Volume) -> Volume:
    holder = volume.holder
    if holder is not None:
        raise exception.ConflictError(
            f"volume {volume.id} is attached to {holder.instance_id} ({holder.state})",
            code="VolumeInUse",
            hint=f"detach it first: starcluster detachvolume {volume.id}; or terminate the cluster that holds it",
        )
    return volume
