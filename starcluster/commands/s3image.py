"""starcluster s3image INSTANCE NAME BUCKET"""

from __future__ import annotations

import click

from starcluster.commands.oldimages import refuse


@click.command()
@click.argument("instance", metavar="INSTANCE")
@click.argument("name", metavar="NAME")
@click.argument("bucket", metavar="[BUCKET]", required=False)
@click.option("-d", "--description", metavar="TEXT", help="Not used.")
@click.option("-k", "--kernel-id", metavar="ID", help="Not used.")
@click.option("-R", "--ramdisk-id", metavar="ID", help="Not used.")
@click.option("-r", "--remove-image-files", is_flag=True, help="Not used.")
def command(instance: str, name: str, **_: object) -> None:
    """Not possible any more: says why, and what to use instead.

    \b
    Example:
      starcluster ebsimage i-0123456789abcdef0 myimage
    """
    raise refuse(f"starcluster ebsimage {instance} {name} makes an image on EBS of the same instance")
