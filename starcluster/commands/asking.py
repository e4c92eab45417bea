"""Questions to the user."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from starcluster import exception

_YES_OPTION = "--yes"
_YES = ("y", "Y", "yes")
Function = Callable[..., Any]


def confirm_option(function: Function) -> Function:
    """-c, --confirm as StarCluster has it, and --yes as everybody types it."""
    return click.option("-c", "--confirm", "--yes", "confirm", is_flag=True, help="Do not ask.")(function)


def confirmed(question: str, *, sure: bool = False) -> bool:
    """Ask `question (y/n)?`; only y, Y and yes mean yes. `sure` (the option -c) answers without asking."""
    if sure:
        return True
    click.echo(f"{question} (y/n)? ", nl=False)
    answer = sys.stdin.readline()
    if not answer:
        click.echo()
        raise exception.BaseException("nobody answers the question", hint=_unasked())
    if answer.strip() in _YES:
        return True
    click.echo("Aborting...")
    return False


def _unasked() -> str:
    """How the verb that asks is told not to: -c is another option in some."""
    context = click.get_current_context(silent=True)
    found = [one.opts for one in context.command.params if _YES_OPTION in one.opts] if context else []
    if not found:
        return ""
    others = ", ".join(sorted((one for one in found[0] if one != _YES_OPTION), key=len))
    return f"{_YES_OPTION} (or {others}) does it unasked" if others else f"{_YES_OPTION} does it unasked"
