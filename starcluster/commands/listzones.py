"""starcluster listzones"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.app import App, Options

if TYPE_CHECKING:
    from starcluster.model import Zone


@click.command()
@click.option("-r", "--region", metavar="NAME", help="Another region than the config's.")
@click.pass_obj
def command(app: App, region: str | None) -> None:
    """Show the region's availability zones.

    \b
    Example:
      starcluster listzones
    """
    if region:
        given = app.options
        app = App(Options(config=given.config, cloud=given.cloud, debug=given.debug, region=region))
    for zone in app.ec2.network.zones():
        show(zone)


def show(zone: Zone) -> None:
    click.echo(f"name:  {zone.name}\nregion:  {zone.region}\nstatus:  {zone.state}\n")
