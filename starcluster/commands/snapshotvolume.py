"""starcluster snapshotvolume VOLUME"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.commands.tags import METAVAR, read_tags
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@click.argument("volume", metavar="VOLUME")
@click.option("-n", "--name", default="", metavar="NAME", help="Its Name tag, by which the verbs may call it.")
@click.option("-D", "--description", default="", metavar="TEXT", help="A line about it.")
@click.option("-t", "--tag", "tags", multiple=True, callback=read_tags, metavar=METAVAR, help="More tags; repeatable.")
@click.option("--no-wait", is_flag=True, help="Do not wait until it is stored.")
@click.pass_obj
def command(
    app: App, /, *, volume: str, name: str, description: str, tags: dict[str, str], no_wait: bool
) -> int | None:
    """Keep what is on VOLUME, named by id or Name tag, at this moment.

    Where a node of yours has it mounted, its file system is synced and stands still for an instant. The volume may be
    used at once, while EC2 stores the snapshot. The last line of the output is the snapshot's id alone.

    \b
    Example:
      starcluster snapshotvolume home --description "before the upgrade"
    """
    from starcluster.cluster import snapshotting

    source = app.ec2.volumes.get(volume)
    described = description or f"{source.name or source.id} by starcluster"
    named = {"Name": name} if name else {}
    made = snapshotting.take_snapshot(app.clusters, source, description=described, tags={**named, **tags})
    if not no_wait:
        try:
            snapshotting.wait_stored(app.clusters, made)
        except KeyboardInterrupt:
            log.error("Interrupted: EC2 goes on with it; starcluster listsnapshots %s shows how far it is", made.id)
            click.echo(made.id)
            return 1
        log.info("Snapshot %s of %s is completed", made.id, source.id)
    click.echo(made.id)
    return None
