"""starcluster listzones"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.app import App, Options
from starcluster.commands.listing import Form, forms, show_json, show_table
from starcluster.commands.tables import Column
from starcluster.commands.words import passes_over_words

if TYPE_CHECKING:
    from starcluster.model import Zone

COLUMNS = {
    "name": Column(head="NAME", style="bold"),
    "region": Column(head="REGION", rank=1),
    "status": Column(head="STATUS"),
}


@click.command()
@click.option("-r", "--region", metavar="NAME", help="Another region than the config's.")
@forms
@passes_over_words
@click.pass_obj
def command(app: App, /, *, region: str | None, form: Form) -> None:
    """Show the region's availability zones.

    \b
    Example:
      starcluster listzones
    """
    if region:
        given = app.options
        app = App(Options(config=given.config, cloud=given.cloud, debug=given.debug, region=region))
    found = app.ec2.network.zones()
    if form is Form.JSON:
        show_json([{"zone_name": one.name, "region_name": one.region, "state": one.state} for one in found])
    elif form is Form.TABLE:
        show_table(COLUMNS, [{"name": one.name, "region": one.region, "status": one.state} for one in found])
    else:
        for zone in found:
            show(zone)


def show(zone: Zone) -> None:
    click.echo(f"name:  {zone.name}\nregion:  {zone.region}\nstatus:  {zone.state}\n")
