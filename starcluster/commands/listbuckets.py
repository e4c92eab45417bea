"""starcluster listbuckets"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.commands.listing import Form, forms, iso, show_json, show_table
from starcluster.commands.tables import Column
from starcluster.commands.words import passes_over_words
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App

COLUMNS = {"name": Column(head="NAME", style="bold"), "creation_date": Column(head="CREATED", rank=1)}


@click.command()
@forms
@passes_over_words
@click.pass_obj
def command(app: App, /, *, form: Form) -> None:
    """Show your S3 buckets, of all regions.

    \b
    Example:
      starcluster listbuckets
    """
    found = app.ec2.objects.buckets()
    words = [{"name": one.name, "creation_date": iso(one.created)} for one in found]
    if form is Form.JSON:
        show_json(words)
    elif not found:
        log.info("No buckets found...")
    elif form is Form.TABLE:
        show_table(COLUMNS, words)
    else:
        for one in found:
            click.echo(one.name)
