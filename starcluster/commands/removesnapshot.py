"""starcluster removesnapshot SNAPSHOT..."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.commands.asking import confirm_option, confirmed
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@click.argument("snapshots", metavar="SNAPSHOT...", nargs=-1, required=True)
@confirm_option
@click.pass_obj
def command(app: App, snapshots: tuple[str, ...], confirm: bool) -> None:
    """Delete snapshots, named by id or Name tag, for good. Volumes that were made of them stay whole.

    \b
    Example:
      starcluster removesnapshot snap-0123456789abcdef0
    """
    # all are looked at before the first is deleted
    found = [app.ec2.snapshots.get(name) for name in snapshots]
    for snapshot in found:
        called = f"{snapshot.id} ({snapshot.name})" if snapshot.name else snapshot.id
        if not confirmed(f"**PERMANENTLY** delete {called} of {snapshot.volume_id}", sure=confirm):
            return
        app.ec2.snapshots.delete(snapshot.id)
        log.info("Snapshot %s removed", called)
