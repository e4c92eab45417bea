"""starcluster completion bash|zsh|fish"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from starcluster.commands import COMPLETE_VARIABLE, PROGRAM

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, /, *, shell: str) -> None:
    """Print the lines that let your shell complete verbs, options, and names of clusters, nodes, volumes and more.

    \b
    Examples:
      echo 'eval "$(starcluster completion bash)"' >> ~/.bashrc
      echo 'eval "$(starcluster completion zsh)"' >> ~/.zshrc        (after compinit)
      starcluster completion fish > ~/.config/fish/completions/starcluster.fish
    """
    found = get_completion_class(shell)
    if found is not None:
        click.echo(found(ctx.find_root().command, {}, PROGRAM, COMPLETE_VARIABLE).source())
