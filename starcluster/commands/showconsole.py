"""starcluster showconsole INSTANCE"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@click.argument("instance_id", metavar="INSTANCE")
@click.pass_obj
def command(app: App, instance_id: str) -> None:
    """Show what an instance printed while it booted.

    \b
    Example:
      starcluster showconsole i-0123456789abcdef0
    """
    text = app.ec2.instances.console(app.ec2.instances.get(instance_id).id)
    if not text:
        log.info("No console output available yet: EC2 posts it some minutes after the boot")
        return
    click.echo(text)
