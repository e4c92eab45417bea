"""starcluster listregions"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@click.pass_obj
def command(app: App) -> None:
    """Show the regions that this account can use.

    \b
    Example:
      starcluster listregions
    """
    for name, endpoint in sorted(app.ec2.network.regions().items()):
        click.echo(f"name:  {name}\nendpoint:  {endpoint}\n")
