"""starcluster sshnode TAG NODE [COMMAND...]"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.ssh.words import exit_status, plain_command

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@click.argument("tag")
@click.argument("node")
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
@click.option("-u", "--user", default="root", show_default=True, help="Log in as this user.")
@click.option("-X", "--forward-x11", is_flag=True, help="Forward X11.")
@click.option("-A", "--forward-agent", is_flag=True, help="Forward the ssh agent.")
@click.option("-t", "--pseudo-tty", is_flag=True, help="With a terminal, also for a command.")
@click.pass_obj
def command(app: App, /, tag: str, node: str, words: tuple[str, ...], user: str, **flags: bool) -> int:
    """Log in to a node, or run a command there, whose exit status is ours.

    NODE is an alias, a number (0 is the master), an instance id or an address. A command with options of its own goes
    into quotes or behind --; as with ssh, the node's shell reads the words.

    \b
    Examples:
      starcluster sshnode mycluster node001
      starcluster sshnode mycluster mynode -- ls -l /home
      starcluster sshnode mycluster mynode "tail -f '/home/my log'"
    """
    text = plain_command(words)
    return exit_status(app.clusters.get(tag).get_node(node).shell(user=user, command=text, **flags), text)
