"""starcluster help [VERB]"""

from __future__ import annotations

import click


@click.command()
@click.argument("verbs", metavar="[VERB]...", nargs=-1)
@click.pass_context
def command(ctx: click.Context, verbs: tuple[str, ...]) -> None:
    """Show this program's verbs, or one verb's help.

    \b
    Examples:
      starcluster help start
      starcluster help local interrupt
    """
    found: click.Context | None = ctx.parent
    for verb in verbs:
        if found is None or not isinstance(found.command, click.Group):
            raise click.UsageError(f"{verbs[0]} has no verbs of its own")
        name, command, _ = found.command.resolve_command(found, [verb])
        if command is not None:
            found = click.Context(command, info_name=name, parent=found)
    if found is not None:
        click.echo(found.get_help())
