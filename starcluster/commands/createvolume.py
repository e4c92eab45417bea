"""starcluster createvolume SIZE ZONE"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster import exception
from starcluster.commands.tags import METAVAR, read_tags
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.config.schema import ClusterTemplate, Config

_DEFAULT_IMAGE = "ubuntu-24.04"


@click.command()
@click.argument("size", metavar="SIZE", type=click.IntRange(min=1))
@click.argument("zone", metavar="ZONE")
@click.option("-n", "--name", default="", metavar="NAME", help="Its Name tag, by which configs may call it.")
@click.option("-b", "--bid", type=click.FloatRange(min=0), metavar="DOLLARS", help="Use a spot host, up to this price.")
@click.option("-k", "--keypair", metavar="NAME", help="Key pair for the host  [default: the default template's].")
@click.option("-H", "--host-instance", default="", metavar="ID", help="Format it on this running instance.")
@click.option("-d", "--detach-volume", is_flag=True, help="Accepted; it is always detached.")
@click.option("-s", "--shutdown-volume-host", is_flag=True, help="Accepted; the host is always shut down.")
@click.option("-m", "--mkfs-cmd", default="", metavar="COMMAND", help="How to format it  [default: mkfs.ext4].")
@click.option("-i", "--image-id", metavar="IMAGE", help="The host's image.")
@click.option("-I", "--instance-type", metavar="TYPE", help="The host's type  [default: t3.micro].")
@click.option("-t", "--tag", "tags", multiple=True, callback=read_tags, metavar=METAVAR, help="More tags; repeatable.")
@click.pass_obj
def command(
    app: App,
    /,
    *,
    size: int,
    zone: str,
    name: str,
    bid: float | None,
    keypair: str | None,
    host_instance: str,
    mkfs_cmd: str,
    image_id: str | None,
    instance_type: str | None,
    tags: dict[str, str],
    **_same_either_way: object,
) -> int | None:
    """Make a volume of SIZE GB in ZONE, formatted, that outlives every cluster.

    A helper instance is launched for the formatting and terminated afterwards. The last line of the output is the
    volume's id alone.

    \b
    Example:
      starcluster createvolume --name home 50 us-east-1c
    """
    from starcluster.cluster.volumes import DEFAULT_TYPE, VolumeWish, create_volume

    template = default_template(app.config)
    wish = VolumeWish(
        size=size,
        zone=zone,
        name=name,
        tags=tags,
        keyname=keypair or default_key(app.config, template),
        image=image_id or (template.node_image_id if template else _DEFAULT_IMAGE),
        instance_type=instance_type or DEFAULT_TYPE,
        bid=bid,
        mkfs_command=mkfs_cmd,
        host=host_instance,
        subnet_id=template.subnet_id if template else "",
        public_ips=template.public_ips if template else None,
    )
    app.config.key(wish.keyname)
    try:
        volume = create_volume(app.clusters, wish)
    except KeyboardInterrupt:
        log.error("Interrupted: volume and helper were removed, but for what is said above")
        return 1
    log.info("Your new %dGB volume %s has been created successfully", size, volume.id)
    click.echo(volume.id)
    return None


def default_template(config: Config) -> ClusterTemplate | None:
    """The default template, if one is set: its key, image and network are good for the helper too."""
    return config.template() if config.globals.default_template else None


def default_key(config: Config, template: ClusterTemplate | None) -> str:
    if template:
        return template.keyname
    if len(config.keys) == 1:
        return next(iter(config.keys))
    known = ", ".join(config.keys) or "none"
    raise exception.KeyNotFound(
        "which key pair shall the helper have?", file=config.path, hint=f"name one with -k; in this config: {known}"
    )
