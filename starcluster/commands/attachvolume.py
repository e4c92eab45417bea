"""starcluster attachvolume VOLUME CLUSTER [NODE]"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@click.argument("volume", metavar="VOLUME")
@click.argument("tag", metavar="CLUSTER")
@click.argument("node", metavar="[NODE]", required=False, default="")
@click.option("--mount", "path", default="", metavar="PATH", help="Mount it there, repaired if need be.")
@click.option("--share", is_flag=True, help="Let the cluster's other nodes mount it from the master.")
@click.pass_obj
def command(app: App, volume: str, tag: str, node: str, path: str, share: bool) -> None:
    """Attach VOLUME, named by id or Name tag, to a running node: the master, or NODE.

    A volume that is mounted stays so over a reboot; it is detached by detachvolume, or when the node ends. The last
    line of the output is where it is found on the node.

    \b
    Example:
      starcluster attachvolume data mycluster --mount /data --share
    """
    from starcluster.cluster import mounting

    wish = mounting.AttachWish(volume=volume, tag=tag, node=node, path=path, share=share)
    click.echo(mounting.attach_volume(app.clusters, wish))
