"""starcluster removekey NAME"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster import exception
from starcluster.commands.asking import confirm_option, confirmed
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App

LOCAL = "local"


@click.command()
@click.argument("name")
@confirm_option
@click.pass_obj
def command(app: App, name: str, confirm: bool) -> None:
    """Delete a key pair in EC2; the file with the private key is left alone.

    \b
    Example:
      starcluster removekey mykey
    """
    if app.ec2.network.key_pair(name) is None:
        raise exception.KeyPairDoesNotExist(
            f"key pair '{name}' does not exist in {app.ec2.region}", hint="starcluster listkeypairs shows them"
        )
    if app.cloud.name == LOCAL and name == LOCAL:
        raise exception.InvalidOperation(
            f"key pair '{name}' is the local cloud's own, it stays as long as the cloud",
            hint="starcluster local down --delete removes the cloud with all that is in it",
        )
    if not confirmed(f"Delete the key pair {name}", sure=confirm):
        return
    app.ec2.network.delete_key(name)
    log.info("Removed key pair: %s", name)
