"""starcluster restorevolume SNAPSHOT ZONE"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from starcluster.commands.tags import METAVAR, read_tags
from starcluster.commands.volumeoptions import encryption_options, host_options, host_wish, speed_options
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@click.argument("snapshot", metavar="SNAPSHOT")
@click.argument("zone", metavar="ZONE")
@click.option("-n", "--name", default="", metavar="NAME", help="Its Name tag, by which configs may call it.")
@click.option("--size", type=click.IntRange(min=1), metavar="GB", help="Larger than the snapshot.")
@speed_options
@encryption_options
@click.option("-t", "--tag", "tags", multiple=True, callback=read_tags, metavar=METAVAR, help="More tags; repeatable.")
@host_options
@click.pass_obj
def command(
    app: App,
    /,
    *,
    snapshot: str,
    zone: str,
    name: str,
    size: int | None,
    kind: str | None,
    iops: int | None,
    throughput: int | None,
    encrypted: bool,
    kms_key: str,
    tags: dict[str, str],
    **host: Any,
) -> int | None:
    """Make a volume in ZONE with what SNAPSHOT holds, named by id or Name tag.

    With a larger --size the file system grows too, on a node of yours in the zone or on a helper. If the command was
    killed, repeat it with the same words: it goes on. The last line of the output is the volume's id alone.

    \b
    Example:
      starcluster restorevolume snap-0123456789abcdef0 us-east-1b --name home
    """
    from starcluster.aws import shapes
    from starcluster.cluster import copying

    wish = copying.RestoreWish(
        snapshot=snapshot,
        zone=zone,
        host=host_wish(app, host),
        name=name,
        size=size or 0,
        kind=kind or shapes.DEFAULT,
        iops=iops,
        throughput=throughput,
        tags=tags,
        encrypted=encrypted,
        kms_key=kms_key,
    )
    try:
        volume = copying.restore_volume(app.clusters, wish)
    except KeyboardInterrupt:
        log.error("Interrupted: the new volume was removed, but for what is said above; the snapshot is as it was")
        return 1
    log.info("Volume %s has %dGB and what %s held", volume.id, volume.size, snapshot)
    click.echo(volume.id)
    return None
