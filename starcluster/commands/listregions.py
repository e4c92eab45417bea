"""starcluster listregions"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.commands.listing import Form, forms, show_json, show_table
from starcluster.commands.tables import Column
from starcluster.commands.words import passes_over_words

if TYPE_CHECKING:
    from starcluster.app import App

COLUMNS = {"name": Column(head="NAME", style="bold"), "endpoint": Column(head="ENDPOINT", rank=1)}


@click.command()
@forms
@passes_over_words
@click.pass_obj
def command(app: App, /, *, form: Form) -> None:
    """Show the regions that this account can use.

    \b
    Example:
      starcluster listregions
    """
    found = sorted(app.ec2.network.regions().items())
    if form is Form.JSON:
        show_json([{"region_name": name, "endpoint": endpoint} for name, endpoint in found])
        return
    if form is Form.TABLE:
        show_table(COLUMNS, [{"name": name, "endpoint": endpoint} for name, endpoint in found])
        return
    for name, endpoint in found:
        click.echo(f"name:  {name}\nendpoint:  {endpoint}\n")
