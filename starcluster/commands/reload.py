"""starcluster reload TAG"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.commands.asking import confirmed
from starcluster.logger import log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starcluster.app import App
    from starcluster.cluster.cluster import Cluster
    from starcluster.cluster.reloading import Change


@click.command()
@click.argument("tag")
@click.option("-c", "--cluster-template", "name", metavar="NAME", help="Template  [default: the one of its start].")
@click.option("-y", "--yes", "--confirm", "confirm", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(app: App, tag: str, name: str | None, confirm: bool) -> None:
    """Let a running cluster follow its changed template: plugins and their settings, bid, image, types, zones, ports.

    Shows what differs, and what a running cluster keeps. addnode, restart, stop and drivers go by it from then on;
    the nodes that are there change by `restart` only. Rules of [permission] sections are opened and shut at once; those
    that others made stay.

    \b
    Examples:
      starcluster reload mycluster
      starcluster reload --yes -c bigcluster mycluster
    """
    from starcluster.cluster import reloading

    cluster = app.clusters.get(tag)
    template = app.config.template(name or _template_of(app, cluster))
    after = reloading.prepare(app.clusters, cluster, template)
    rules = reloading.rules(cluster, after)
    found = [*reloading.changes(cluster.record, after), *reloading.changes_of_rules(rules)]
    _show(tag, template.name, found)
    if not any(not one.stays for one in found):
        log.info("Nothing to change: what cluster %s can take over, it has from [cluster %s]", tag, template.name)
        return
    if confirmed(f"Write this into cluster {tag}", sure=confirm):
        reloading.take_over(cluster, after, rules)
        log.info("Cluster %s goes by it now; starcluster restart %s does so with its present nodes", tag, tag)


def _template_of(app: App, cluster: Cluster) -> str:
    """The template that the cluster was started from, if the config still has it; else the default one."""
    name = cluster.record.template
    return name if name in app.config.templates else ""


def _show(tag: str, template: str, found: Sequence[Change]) -> None:
    if found:
        click.echo(f"{tag} now -> [cluster {template}]")
    for one in found:
        if one.setting != "TEMPLATE":
            stays = f"   STAYS: {one.stays}" if one.stays else ""
            click.echo(f"  {one.setting}: {one.before} -> {one.after}{stays}")
