"""starcluster help [VERB]"""

from __future__ import annotations

import click


@click.command()
@click.argument("verb", required=False)
@click.pass_context
def command(ctx: click.Context, verb: str | None) -> None:
    """Show this program's verbs, or one verb's help.

    \b
    Example:
      starcluster help start
    """
    parent = ctx.parent
    if parent is None or not isinstance(parent.command, click.Group):
        raise click.UsageError("help is a verb of starcluster")
    if verb is None:
        click.echo(parent.get_help())
        return
    _, found, _ = parent.command.resolve_command(parent, [verb])
    if found is not None:
        click.echo(found.get_help(click.Context(found, info_name=verb, parent=parent)))
