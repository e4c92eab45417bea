"""starcluster listkeypairs"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.commands.listing import Form, forms, show_json, show_table
from starcluster.commands.tables import Column
from starcluster.commands.words import passes_over_words
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App

COLUMNS = {"name": Column(head="NAME", style="bold"), "fingerprint": Column(head="FINGERPRINT", fold=24)}


@click.command()
@forms
@passes_over_words
@click.pass_obj
def command(app: App, /, *, form: Form) -> None:
    """Show the region's key pairs and their fingerprints.

    \b
    Example:
      starcluster listkeypairs
    """
    pairs = app.ec2.network.key_pairs()
    if form is Form.JSON:
        show_json([{"key_name": one.name, "key_fingerprint": one.fingerprint, "key_type": one.kind} for one in pairs])
        return
    if not pairs:
        log.info("No keypairs found...")
        return
    if form is Form.TABLE:
        show_table(COLUMNS, [{"name": one.name, "fingerprint": one.fingerprint} for one in pairs])
        return
    width = max(len(pair.name) for pair in pairs)
    for pair in pairs:
        click.echo(f"{pair.name:>{width}}  {pair.fingerprint}")
