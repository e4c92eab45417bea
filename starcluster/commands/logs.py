"""starcluster logs TAG NODE"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from starcluster import exception, names
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.cluster.namerecord import NameRecords
    from starcluster.supervisor.tail import Tail

_PAUSE = 1.0
_TRIES = 30  # looks in a row that failed before following is given up


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
      starcluster logs -f mycluster mynode     (waits for the first attempt, if none has begun)
    """
    from starcluster.cluster.namerecord import NameRecords
    from starcluster.supervisor.tail import read_log

    records = NameRecords(app.ec2.templates, tag)
    shell = app.clusters.get(tag).running_master().ssh
    known = records.get(node)
    node = known.name if known else node  # as it is written on the shared volume
    read = functools.partial(read_log, shell, node)
    try:
        found = read(attempt=attempt, lines=lines)
    except exception.NoLog as error:
        why = _explained(error, records, tag, node)
        if not follow or attempt or why is not error:
            raise why from error
        click.echo(f"{error.msg}; it is shown as soon as there is one", err=True)
        found = _awaited(functools.partial(read, lines=lines), lambda: _has_outcome(records, node))
    click.echo(found.text, nl=bool(found.text) and not found.text.endswith("\n"))
    if follow:
        _follow(read, found, attempt, lambda: _has_outcome(records, node))


def _explained(error: exception.NoLog, records: NameRecords, tag: str, node: str) -> exception.BaseException:
    """The same error, or the better one where the cluster has no such name at all."""
    known = records.find()
    if names.fold(node) in known:
        return error
    mine = ", ".join(record.name for record in known.values()) or "none"
    return exception.NodeDoesNotExist(f"{tag} has no named node '{node}'", hint=f"its named nodes: {mine}")


def _has_outcome(records: NameRecords, node: str) -> bool:
    record = records.get(node)
    return record is not None and record.outcome is not None


def _awaited(read: Callable[[], Tail], is_over: Callable[[], bool]) -> Tail:
    """The log of the first attempt, once it has begun; NoLog when the name comes to its end without one."""
    import time

    trouble = 0
    while True:
        time.sleep(_PAUSE)
        try:
            over = is_over()  # asked before the last look
            return read()
        except exception.NoLog:
            trouble = 0
            if over:
                raise
        except (exception.SSHError, exception.TransientError) as error:
            trouble += 1
            if trouble >= _TRIES:
                raise
            log.debug("the log is asked for again: %s", error)


def _follow(read: Callable[..., Tail], found: Tail, attempt: int, is_over: Callable[[], bool]) -> None:
    """Until the command has its outcome and all is shown; each newer attempt's log is shown from its beginning.

    A master that can not be reached for a while is asked again: the log is where it was.
    """
    import time

    trouble = 0
    while True:
        time.sleep(0 if found.text and not trouble else _PAUSE)
        try:
            over = not found.text and is_over()  # asked before the last look, so that no last word is missed
            found = read(attempt=found.attempt, offset=found.offset, file=found.file)
            click.echo(found.text, nl=False)
            newer = None if found.text or attempt else _next_attempt(read, found.attempt)
        except (exception.SSHError, exception.TransientError) as error:
            trouble += 1
            if trouble >= _TRIES:
                raise
            log.debug("the log is asked for again: %s", error)
            continue
        trouble = 0
        if newer is not None:
            click.echo(f"--- attempt {newer.attempt} ---")
            found = newer
        elif over and not found.text:
            return


def _next_attempt(read: Callable[..., Tail], attempt: int) -> Tail | None:
    """The beginning of the next attempt's log; attempts that never wrote one are passed over."""
    last = read(lines=1).attempt
    for number in range(attempt + 1, last + 1):
        with contextlib.suppress(exception.NoLog):
            return dataclasses.replace(read(attempt=number, lines=1), text="", offset=0, file=0)
    return None
