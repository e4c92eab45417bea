"""starcluster createvolume SIZE ZONE"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from starcluster.commands.tags import METAVAR, read_tags
from starcluster.commands.volumeoptions import encryption_options, host_options, host_wish, speed_options
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.cluster.volumes import VolumeWish
    from starcluster.model import VolumeShape


@click.command()
@click.argument("size", metavar="SIZE", type=click.IntRange(min=1))
@click.argument("zone", metavar="ZONE")
@click.option("-n", "--name", default="", metavar="NAME", help="Its Name tag, by which configs may call it.")
@speed_options
@click.option("--filesystem", type=click.Choice(["ext4", "xfs"]), help="What it is formatted with  [default: ext4].")
@encryption_options
@click.option("--snapshot", default="", metavar="ID", help="Begin with what this snapshot holds, and do not format.")
@click.option("--force", is_flag=True, help="With --snapshot and --filesystem: format over what the snapshot holds.")
@host_options
@click.option("-m", "--mkfs-cmd", default="", metavar="COMMAND", help="How to format it  [default: mkfs.ext4].")
@click.option("-t", "--tag", "tags", multiple=True, callback=read_tags, metavar=METAVAR, help="More tags; repeatable.")
@click.pass_obj
def command(
    app: App,
    /,
    *,
    size: int,
    zone: str,
    name: str,
    kind: str | None,
    iops: int | None,
    throughput: int | None,
    filesystem: str | None,
    encrypted: bool,
    kms_key: str,
    snapshot: str,
    force: bool,
    mkfs_cmd: str,
    tags: dict[str, str],
    **host: Any,
) -> int | None:
    """Make a volume of SIZE GB in ZONE, formatted, that outlives every cluster.

    A node of yours that runs in the zone formats it; where there is none, a helper instance is launched for that and
    terminated afterwards. The last line of the output is the volume's id alone.

    \b
    Example:
      starcluster createvolume --name home 50 us-east-1c
    """
    from starcluster.cluster import volumes

    if not kind:
        _tell_of_types(tags)
    wish = volumes.VolumeWish(
        shape=_shape(size, kind, iops=iops, throughput=throughput, encrypted=encrypted, kms_key=kms_key),
        zone=zone,
        host=host_wish(app, host),
        name=name,
        tags=tags,
        filesystem=filesystem or ("" if snapshot else volumes.FILE_SYSTEM),
        mkfs_command=mkfs_cmd,
        force=force,
        snapshot_id=app.ec2.snapshots.get(snapshot).id if snapshot else "",
    )
    return _create(app, wish)


def _shape(size: int, kind: str | None, **more: Any) -> VolumeShape:
    from starcluster.aws import shapes
    from starcluster.model import VolumeShape

    return VolumeShape(size=size, kind=kind or shapes.DEFAULT, **more)


def _tell_of_types(tags: dict[str, str]) -> None:
    from starcluster.aws import shapes

    for tag in [one for one, value in tags.items() if one in shapes.KINDS and not value]:
        log.warning("-t %s is a tag, as it was in StarCluster; a volume of that type: --type %s", tag, tag)


def _create(app: App, wish: VolumeWish) -> int | None:
    from starcluster.cluster.volumes import create_volume

    try:
        volume = create_volume(app.clusters, wish)
    except KeyboardInterrupt:
        log.error("Interrupted: volume and helper were removed, but for what is said above")
        return 1
    log.info("Your new %dGB volume %s has been created successfully", wish.shape.size, volume.id)
    click.echo(volume.id)
    return None
