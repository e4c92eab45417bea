"""starcluster downloadimage IMAGE FOLDER"""

from __future__ import annotations

import click

from starcluster.commands.oldimages import refuse


@click.command()
@click.argument("image", metavar="IMAGE")
@click.argument("folder", metavar="[FOLDER]", required=False)
def command(image: str, folder: str | None) -> None:
    """Not possible any more: says why, and what to use instead.

    \b
    Example:
      starcluster showimage ami-0123456789abcdef0
    """
    raise refuse(
        f"starcluster showimage {image} shows the snapshots of an image on EBS, restorevolume makes a volume of one;"
        " starcluster get copies files from a node"
    )
