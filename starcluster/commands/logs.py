"""starcluster logs TAG NODE"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.cluster.namerecord import NameRecords
    from starcluster.ssh.client import SSHClient
    from starcluster.supervisor.tail import Tail

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
    from starcluster.cluster.namerecord import NameRecords
    from starcluster.supervisor.tail import read_log

    shell = app.clusters.get(tag).running_master().ssh
    found = read_log(shell, node, attempt=attempt, lines=lines)
    click.echo(found.text, nl=not found.text.endswith("\n"))
    if follow:
        records = NameRecords(app.ec2.templates, tag)
        _follow(shell, node, found, forever=not attempt, is_over=lambda: _has_outcome(records, node))


def _has_outcome(records: NameRecords, node: str) -> bool:
    record = records.get(node)
    return record is not None and record.outcome is not None


def _follow(shell: SSHClient, node: str, found: Tail, *, forever: bool, is_over: Callable[[], bool]) -> None:
    """Until the command has its outcome and all is shown; a newer attempt's log is shown from its beginning."""
    import time

    from starcluster.supervisor.tail import read_log

    while True:
        over = not found.text and is_over()  # asked before the last look, so that no last word is missed
        time.sleep(0 if found.text or over else _PAUSE)
        found = read_log(shell, node, attempt=found.attempt, offset=found.offset, file=found.file)
        click.echo(found.text, nl=False)
        newest = read_log(shell, node, lines=1).attempt if forever and not found.text else found.attempt
        if newest > found.attempt:
            click.echo(f"--- attempt {newest} ---")
            found = dataclasses.replace(found, attempt=newest, offset=0, file=0)
        elif over and not found.text:
            return
