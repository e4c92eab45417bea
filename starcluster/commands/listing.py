"""The three forms of every list: JSON, a table on a terminal, else StarCluster's lines, which programs read."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import click

from starcluster.commands.showing import block, total
from starcluster.logger import log, machines, only_stderr

if TYPE_CHECKING:
    from starcluster.commands.tables import Column

Facts = Mapping[str, object]
Function = Callable[..., Any]


class Form(StrEnum):
    JSON = "json"
    TABLE = "table"
    PLAIN = "plain"


def forms(function: Function) -> Function:
    """The options --json and --plain, which come to the function as `form`; with --json nothing else is on stdout."""

    @click.option("--json", "as_json", is_flag=True, help="As JSON.")
    @click.option("--plain", is_flag=True, help="As lines for programs, on a terminal too.")
    @functools.wraps(function)
    def with_form(*args: Any, as_json: bool, plain: bool, **words: Any) -> Any:
        with only_stderr() if as_json else nullcontext():
            return function(*args, form=_form(as_json=as_json, plain=plain), **words)

    return with_form


def _form(*, as_json: bool, plain: bool) -> Form:
    if as_json:
        return Form.JSON
    return Form.TABLE if sys.stdout.isatty() and not plain else Form.PLAIN


def show_list(
    form: Form,
    *,
    words: Sequence[Any],
    blocks: Sequence[Facts],
    columns: Mapping[str, Column],
    what: str,
) -> None:
    """Show a list. `words`: for JSON; `blocks`: the plain lines; `columns`: which of their facts the table has.

    `what`: what is listed, in the plural.
    """
    if form is Form.JSON:
        show_json(words)
    elif form is Form.TABLE:
        show_table(columns, blocks, what=what)
    else:
        for facts in blocks:
            block(facts)
        total(len(blocks))


def show_json(words: object) -> None:
    click.echo(json.dumps(words, indent=2), file=machines())


def show_table(columns: Mapping[str, Column], blocks: Sequence[Facts], *, what: str = "") -> None:
    """The facts that have a column, and which have none for want of room. With `what` they are counted too."""
    if blocks:
        show_rows(list(columns.values()), [[str(facts.get(name, "")) for name in columns] for facts in blocks])
        if what:
            total(len(blocks))
    elif what:
        log.info("No %s found...", what)


def show_rows(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """A table as wide as the terminal, and the names of the columns that found no room."""
    from rich.console import Console
    from rich.text import Text

    from starcluster.commands.tables import left_out, table

    console = Console()
    console.print(table(columns, rows, console.width))
    if gone := left_out(columns, rows, console.width):
        console.print(Text(gone, style="dim"))


def iso(moment: datetime | None) -> str | None:
    """`2026-11-29T19:46:44Z`: ISO 8601 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None
