"""starcluster resizevolume VOLUME SIZE"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from starcluster.commands.volumeoptions import host_options, host_wish, speed_options
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.model import Volume


@click.command()
@click.argument("volume", metavar="VOLUME")
@click.argument("size", metavar="SIZE", type=click.IntRange(min=1))
@speed_options
@click.option("-z", "--zone", metavar="ZONE", help="Make a larger copy in this zone instead; the old volume is kept.")
@click.option("-n", "--name", default="", metavar="NAME", help="With --zone: the copy's name.")
@click.option("-r", "--resizefs-cmd", default="", metavar="COMMAND", help="How to grow it  [default: resize2fs].")
@host_options
@click.pass_obj
def command(
    app: App,
    /,
    *,
    volume: str,
    size: int,
    kind: str | None,
    iops: int | None,
    throughput: int | None,
    zone: str | None,
    name: str,
    resizefs_cmd: str,
    **host: Any,
) -> int | None:
    """Let VOLUME, named by id or Name tag, grow to SIZE GB, with its file system, while it is in use.

    SIZE may be the one that it has, to change its type or speed only. EC2 lets a volume be changed 4 times in 24 hours.
    Where it is attached to a node of yours the file system grows there; where it is free, on a node of yours in its
    zone or on a helper. Repeat the command if it was interrupted. The last line of the output is the volume's id alone.

    \b
    Example:
      starcluster resizevolume home 100
    """
    shape = {"size": size, "kind": kind or "", "iops": iops, "throughput": throughput, "host": host_wish(app, host)}
    if zone:
        made = _copy(app, source=volume, zone=zone, name=name, **shape)
    else:
        made = _grow(app, volume=volume, command=resizefs_cmd, **shape)
    log.info("Volume %s has %dGB", made.id, made.size)
    click.echo(made.id)
    return None


def _copy(app: App, **words: Any) -> Volume:
    from starcluster.cluster import copying

    made = copying.copy_volume(app.clusters, copying.CopyWish(**words))
    log.info("The old volume %s is kept: starcluster removevolume removes it", words["source"])
    return made


def _grow(app: App, **words: Any) -> Volume:
    from starcluster.cluster import growing

    return growing.resize_volume(app.clusters, growing.GrowWish(**words))
