"""starcluster listkeypairs"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@click.pass_obj
def command(app: App) -> None:
    """Show the region's key pairs and their fingerprints.

    \b
    Example:
      starcluster listkeypairs
    """
    pairs = app.ec2.network.key_pairs()
    if not pairs:
        log.info("No keypairs found...")
        return
    width = max(len(pair.name) for pair in pairs)
    for pair in pairs:
        click.echo(f"{pair.name:>{width}}  {pair.fingerprint}")
