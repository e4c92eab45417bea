"""starcluster sshconfig: let plain ssh know the nodes by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster import exception
from starcluster.commands.asking import confirm_option, confirmed
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.ssh.userconfig import UserConfig


@click.command()
@click.option("--print", "only_print", is_flag=True, help="Only show the entries.")
@click.option("--remove", is_flag=True, help="Take away the file and the line that includes it.")
@confirm_option
@click.pass_obj
def command(app: App, only_print: bool, remove: bool, confirm: bool) -> int:
    """Let plain ssh, scp and rsync know the nodes by name.

    Writes ~/.ssh/config.d/starcluster and, if you agree, one line into ~/.ssh/config that includes it. From then on
    every verb that looks at a cluster, and the driver, keep the entries up to date when a node was replaced.

    \b
    Examples:
      starcluster sshconfig
      ssh mycluster
      rsync -a code/ mycluster-mynode:code/
    """
    from starcluster.ssh.userconfig import UserConfig, as_text

    if only_print and remove:
        raise click.UsageError("options --print and --remove cannot be used together")
    config = UserConfig()
    try:
        if remove:
            return _remove(config)
        blocks = _blocks(app)
        if only_print:
            click.echo(as_text(blocks), nl=False)
            return 0
        return _write(app, config, blocks, sure=confirm)
    except OSError as error:
        raise exception.BaseException(f"can not write {error.filename or config.folder}: {error.strerror}") from error


def _blocks(app: App) -> dict[tuple[str, str], str]:
    from starcluster.cluster import sshentries

    return sshentries.of_cloud(app.cloud, app.clusters.all())


def _write(app: App, config: UserConfig, blocks: dict[tuple[str, str], str], *, sure: bool) -> int:
    from starcluster.cluster import sshentries

    mine = sshentries.cloud_name(app.cloud)
    config.change(lambda before: {**{key: text for key, text in before.items() if key[0] != mine}, **blocks})
    names = [line.split()[1] for text in blocks.values() for line in text.splitlines() if line.startswith("Host ")]
    log.info("%s: %s", config.path, ", ".join(names) or "no node runs")
    if config.is_included():
        return 0
    if not confirmed(f"Put the line '{config.include_line}' first into {config.main}", sure=sure):
        log.info("Without it: ssh -F %s %s", config.path, names[0] if names else "CLUSTER")
        return 0
    config.include()
    log.info("%s includes it now", config.main)
    return 0


def _remove(config: UserConfig) -> int:
    if config.remove():
        log.info("%s is removed", config.path)
    else:
        log.info("There is no %s", config.path)
    return 0
