"""starcluster logs TAG NODE"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.ssh.client import SSHClient

_PAUSE = 1.0


@click.command()
@click.argument("tag")
@click.argument("node")
@click.option("-f", "--follow", is_flag=True, help="Go on showing what is written, over replacements of the node.")
@click.option("-n", "--lines", type=int, default=50, show_default=True, help="How many last lines to begin with.")
@click.option("-a", "--attempt", type=int, default=0, help="The attempt; default: the last one.")
@click.pass_obj
def command(app: App, tag: str, node: str, follow: bool, lines: int, attempt: int) -> None:
    """Show what the command of a named node wrote.

    \b
    Examples:
      starcluster logs mycluster mynode
      starcluster logs -f mycluster mynode
    """
    from starcluster.supervisor.tail import read_log

    shell = app.clusters.get(tag).running_master().ssh
    found = read_log(shell, node, attempt=attempt, lines=lines)
    click.echo(found.text, nl=not found.text.endswith("\n"))
    if follow:
        _follow(shell, node, found.attempt, found.offset, forever=not attempt)


def _follow(shell: SSHClient, node: str, attempt: int, offset: int, *, forever: bool) -> None:
    """Until Ctrl-C; a newer attempt's log is shown from its beginning."""
    import time

    from starcluster.supervisor.tail import read_log

    while True:
        time.sleep(_PAUSE)
        found = read_log(shell, node, attempt=attempt, offset=offset)
        click.echo(found.text, nl=False)
        offset = found.offset
        newest = read_log(shell, node, lines=1).attempt if forever and not found.text else attempt
        if newest > attempt:
            click.echo(f"--- attempt {newest} ---")
            attempt, offset = newest, 0
