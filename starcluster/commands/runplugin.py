"""starcluster runplugin PLUGIN TAG"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster import exception

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@click.argument("plugin")
@click.argument("tag")
@click.pass_obj
def command(app: App, plugin: str, tag: str) -> None:
    """Run a plugin of the config on a cluster that is up, with today's settings.

    \b
    Example:
      starcluster runplugin myplugin mycluster
    """
    from starcluster import pluginloader
    from starcluster.cluster.setup import run_plugin

    if plugin not in app.config.plugins and tag in app.config.plugins:
        raise exception.UsageError(
            f"plugin '{plugin}' is not in the config", hint=f"did you mean: starcluster runplugin {tag} {plugin}?"
        )
    settings = app.config.plugin(plugin)
    loaded = pluginloader.load(settings.name, settings.setup_class, settings.arguments)
    run_plugin(app.clusters.get(tag), loaded)
