"""starcluster sshinstance INSTANCE [COMMAND...]"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.ssh.words import exit_status, plain_command

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@click.argument("instance", metavar="INSTANCE")
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
@click.option("-u", "--user", default="root", show_default=True, help="Log in as this user.")
@click.option("-X", "--forward-x11", is_flag=True, help="Forward X11.")
@click.option("-A", "--forward-agent", is_flag=True, help="Forward the ssh agent.")
@click.option("-t", "--pseudo-tty", is_flag=True, help="With a terminal, also for a command.")
@click.pass_obj
def command(app: App, /, instance: str, words: tuple[str, ...], user: str, **flags: bool) -> int:
    """Log in to any instance, named by id, DNS name or address, or run a command there, whose exit status is ours.

    The config must have a [key] section for the instance's key pair. Stock images let in only their own user until a
    cluster is made of them: -u ubuntu, say.

    \b
    Examples:
      starcluster sshinstance i-0123456789abcdef0
      starcluster sshinstance -u ubuntu i-0123456789abcdef0 -- df -h
    """
    from starcluster.cluster import anyinstance

    text = plain_command(words)
    return exit_status(anyinstance.find_node(app.clusters, instance).shell(user=user, command=text, **flags), text)
