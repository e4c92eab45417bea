"""starcluster ebsimage INSTANCE NAME"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster import exception
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.cluster.node import Node

_OLD = "Of no use: today's images bring their own kernel."


@click.command()
@click.argument("instance", metavar="INSTANCE")
@click.argument("name", metavar="NAME")
@click.option("-d", "--description", default="", metavar="TEXT", help="The image's description.")
@click.option("-D", "--snapshot-description", default="", metavar="TEXT", help="A tag Description of its snapshot.")
@click.option("-k", "--kernel-id", metavar="ID", help=_OLD)
@click.option("-r", "--ramdisk-id", metavar="ID", help=_OLD)
@click.option("-s", "--root-volume-size", type=int, metavar="GB", help="Accepted; the image is as large as the disk.")
@click.pass_obj
def command(
    app: App,
    /,
    *,
    instance: str,
    name: str,
    description: str,
    snapshot_description: str,
    kernel_id: str | None,
    ramdisk_id: str | None,
    root_volume_size: int | None,
) -> None:
    """Make a machine image, called NAME, of the root disk of a running instance, named by id or address.

    The instance goes on meanwhile. What is private, and what belongs to its cluster, is kept out of the image, and is
    named; so are all other disks. Repeat the command if it was interrupted. The last line of the output is
    the image's id alone; NODE_IMAGE_ID in the config takes the id, or NAME.

    \b
    Example:
      starcluster ebsimage i-0123456789abcdef0 myimage
    """
    from starcluster.cluster import anyinstance, imaging

    if kernel_id or ramdisk_id:
        raise exception.InvalidOperation(
            "an image of today has no kernel or ramdisk of its own", hint="leave -k and -r out"
        )
    node = anyinstance.find_node(app.clusters, instance)
    if not node.is_running():
        raise exception.InstanceNotRunning(
            f"{node.alias or node.id} ({node.id}) is not running but {node.state}",
            hint="what is private is kept out of the image over SSH: start it first",
        )
    wish = imaging.ImageWish(
        name=name,
        description=description or f"{name}, made of {node.alias or node.id}",
        snapshot_description=snapshot_description,
        addresses=_addresses(app, node),
    )
    image = imaging.make_image(app.clusters, node, wish)
    log.info("Your new image in %s is %s (%s): NODE_IMAGE_ID = %s uses it", app.ec2.region, image.id, name, name)
    click.echo(image.id)


def _addresses(app: App, node: Node) -> list[str]:
    """Those of its cluster, or its own: their names in /etc/hosts mean nothing on other machines."""
    cluster = app.clusters.find(node.cluster_tag) if node.cluster_tag else None
    members = cluster.nodes if cluster else [node]
    return [one.private_ip_address for one in members if one.private_ip_address]
