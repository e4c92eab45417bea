"""starcluster copyvolume VOLUME ZONE"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from starcluster.commands.tags import METAVAR, read_tags
from starcluster.commands.volumeoptions import encryption_options, host_options, host_wish, speed_options
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@click.argument("volume", metavar="VOLUME")
@click.argument("zone", metavar="ZONE")
@click.option("-n", "--name", default="", metavar="NAME", help="The copy's Name tag; it does not get the source's.")
@click.option("--size", type=click.IntRange(min=1), metavar="GB", help="Larger than the source.")
@speed_options
@encryption_options
@click.option("-t", "--tag", "tags", multiple=True, callback=read_tags, metavar=METAVAR, help="More tags; repeatable.")
@click.option("--keep-snapshot", is_flag=True, help="Keep the snapshot that the copy is made from.")
@host_options
@click.pass_obj
def command(
    app: App,
    /,
    *,
    volume: str,
    zone: str,
    name: str,
    size: int | None,
    kind: str | None,
    iops: int | None,
    throughput: int | None,
    encrypted: bool,
    kms_key: str,
    tags: dict[str, str],
    keep_snapshot: bool,
    **host: Any,
) -> int | None:
    """Copy VOLUME, named by id or Name tag, to ZONE, by way of a snapshot. The volume itself is not changed.

    The copy has what is on the volume now, and its tags but for the name. If the command was killed, repeat it with the
    same words: what it left is taken away. The last line of the output is the new volume's id alone.

    \b
    Example:
      starcluster copyvolume home us-east-1b --name home-b
    """
    from starcluster.cluster import copying

    wish = copying.CopyWish(
        source=volume,
        zone=zone,
        host=host_wish(app, host),
        name=name,
        size=size or 0,
        kind=kind or "",
        iops=iops,
        throughput=throughput,
        tags=tags,
        encrypted=encrypted,
        kms_key=kms_key,
        keep_snapshot=keep_snapshot,
    )
    try:
        made = copying.copy_volume(app.clusters, wish)
    except KeyboardInterrupt:
        log.error("Interrupted: copy and snapshot were removed, but for what is said above; %s is as it was", volume)
        return 1
    log.info("%s in %s is a copy of %s", made.id, made.zone, volume)
    click.echo(made.id)
    return None
