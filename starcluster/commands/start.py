"""starcluster start TAG"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import click

from starcluster import exception
from starcluster.commands.showing import counted
from starcluster.config.schema import FALLBACKS
from starcluster.logger import log
from starcluster.ssh.words import exit_status

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.cluster.cluster import Cluster
    from starcluster.cluster.validation import Prepared
    from starcluster.config.schema import ClusterTemplate

_SHELLS = ("bash", "zsh", "csh", "ksh", "tcsh")
_READY = "The cluster is now ready to use."  # scripts look for these words, and end a cluster that comes without them
_LEFT = "what was launched is left running and costs money: starcluster terminate {tag} ends it, start goes on with it"


@click.command()
@click.argument("tag")
@click.option("-x", "--no-create", is_flag=True, help="Start the stopped nodes of an existing cluster.")
@click.option("-o", "--create-only", is_flag=True, help="Launch the nodes, but set nothing up.")
@click.option("-v", "--validate-only", is_flag=True, help="Check the settings and make nothing.")
@click.option("-V", "--skip-validation", is_flag=True, help="Do not compare the settings with EC2.")
@click.option("-l", "--login-master", is_flag=True, help="Log in to the master at the end.")
@click.option("-q/-Q", "--disable-queue/--enable-queue", default=None, help="Without or with a queueing system.")
@click.option("--force-spot-master/--no-spot-master", default=None, help="The master on spot too, with -b.")
@click.option("--public-ips/--no-public-ips", default=None, help="Public addresses for the nodes (in a VPC).")
@click.option("-c", "--cluster-template", metavar="NAME", help="Template  [default: DEFAULT_TEMPLATE].")
@click.option("-r", "--refresh-interval", type=click.IntRange(min=1), help="Accepted; waits look as often as needed.")
@click.option(
    "-b", "--bid", "spot_bid", type=float, metavar="PRICE", help="Workers on spot, at most this much an hour."
)
@click.option("--master-bid", "master_spot_bid", type=float, metavar="PRICE", help="The master on spot, at most so.")
@click.option(
    "--spot-max-wait", type=click.FloatRange(min=0), metavar="MINUTES", help="Wait so long for spot machines."
)
@click.option("--fallback", type=click.Choice(FALLBACKS), help="And then: on demand, or give up.")
@click.option("-d", "--description", metavar="TEXT", help="A note, kept as the tag Description.")
@click.option("-s", "--cluster-size", type=click.IntRange(min=1), help="Number of nodes, the master too.")
@click.option("-u", "--cluster-user", metavar="USER", help="Name of the user that the cluster gets.")
@click.option("-S", "--cluster-shell", type=click.Choice(_SHELLS), help="That user's shell.")
@click.option("-m", "--master-image-id", metavar="IMAGE", help="Image of the master.")
@click.option("-n", "--node-image-id", metavar="IMAGE", help="Image of the nodes.")
@click.option("-I", "--master-instance-type", metavar="TYPE", help="Instance type of the master.")
@click.option("-i", "--node-instance-type", metavar="TYPE", help="Instance type of the nodes.")
@click.option("--or-type", "node_instance_types_or", multiple=True, metavar="TYPE", help="Would do for nodes as well.")
@click.option("-a", "--availability-zone", metavar="ZONE", help="Zone of the cluster; several with commas, or any.")
@click.option("-k", "--keyname", metavar="NAME", help="Key pair.")
@click.option("-K", "--key-location", metavar="FILE", help="Private key file of that key pair.")
@click.option(
    "-U", "--userdata-script", "userdata_scripts", multiple=True, metavar="FILE", help="Run it at first boot."
)
@click.option("-P/-p", "--dns-prefix/--no-dns-prefix", default=None, help="Begin host names with the cluster's name.")
@click.option("-N", "--subnet-id", metavar="SUBNET", help="Subnet of the nodes.")
@click.pass_obj
def command(
    app: App,
    /,
    tag: str,
    no_create: bool,
    create_only: bool,
    validate_only: bool,
    skip_validation: bool,
    login_master: bool,
    refresh_interval: int | None,
    description: str | None,
    cluster_template: str | None,
    **settings: Any,
) -> int | None:
    """Start a cluster: launch its nodes, mount its volumes, set it up.

    \b
    Examples:
      starcluster start mycluster
      starcluster start -s 3 -b 0.10 mycluster
      starcluster start -x mycluster
    """
    began = time.monotonic()
    try:
        if no_create:
            cluster = _resume(app, tag, create_only=create_only, validate_only=validate_only)
        else:
            prepared = _prepare(app, tag, cluster_template, settings, validate=not skip_validation)
            cluster = None if validate_only else _create(app, prepared, create_only=create_only, note=description)
    except KeyboardInterrupt:
        log.error("Interrupted: %s", _LEFT.format(tag=tag))
        return 1
    if cluster is None:
        return None
    log.info("Starting cluster took %.3f mins", (time.monotonic() - began) / 60)
    _tell(cluster)
    return exit_status(cluster.master_node.shell()) if login_master else None


def _prepare(app: App, tag: str, name: str | None, settings: dict[str, Any], *, validate: bool) -> Prepared:
    from starcluster.cluster import validation

    template = _with_key(app, validation.with_options(app.config.template(name or ""), **_given(settings)), settings)
    if settings.get("force_spot_master") is False:
        template = dataclasses.replace(template, master_spot_bid=None)
    try:
        prepared = validation.prepare(app.clusters, tag, template)
    except exception.ConfigSettingError as error:
        raise _with_its_file(app, error, settings) from error
    _refuse_existing(app, tag)
    if validate:
        validation.validate(app.clusters, prepared)
    return prepared


def _with_its_file(app: App, error: exception.ConfigSettingError, settings: dict[str, Any]) -> exception.ConfigError:
    """The error with the file that is wrong; it is none where an option said so."""
    from starcluster.config import load, templates

    if error.setting.lower() in _given(settings):
        return error
    return templates.placed(load.document_of(app.options.config, cloud=app.options.cloud), error)


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    """The options that were given; an empty tuple is none."""
    return {name: value for name, value in settings.items() if value not in (None, ())}


def _with_key(app: App, template: ClusterTemplate, settings: dict[str, Any]) -> ClusterTemplate:
    """-k without -K takes the key's file from the config."""
    if settings.get("key_location"):
        return template
    return dataclasses.replace(template, key_location=app.config.key(template.keyname).key_location)


def _refuse_existing(app: App, tag: str) -> None:
    from starcluster.cluster import record, starting

    found = app.clusters.find(tag)
    if found is not None and found.phase != record.PHASE_LAUNCHING:
        raise starting.already_there(found)


def _create(app: App, prepared: Prepared, *, create_only: bool, note: str | None) -> Cluster:
    from starcluster.cluster import starting

    _warn_of_spot(app, prepared)
    return starting.start(
        app.clusters,
        prepared.tag,
        prepared.record,
        prepared.plugins,
        prepared.permissions,
        create_only=create_only,
        extra_tags={"Description": note} if note else None,
    )


def _warn_of_spot(app: App, prepared: Prepared) -> None:
    wanted = prepared.record
    if wanted.spot_bid is not None and wanted.cluster_size > 1:
        log.warning("The workers are spot instances: AWS may take them back at two minutes' notice")
    named = [node.alias for plugin in prepared.plugins for node in plugin.wanted_nodes()]
    if named:
        log.info("Named nodes: %s; `python aws_train.py %s` keeps them alive", ", ".join(named), " ".join(named))


def _resume(app: App, tag: str, *, create_only: bool, validate_only: bool) -> Cluster | None:
    from starcluster.cluster import starting, validation

    cluster = app.clusters.get(tag)
    zones = {node.placement for node in cluster.nodes}
    count = counted(len(cluster.nodes), "node")
    log.info("Validating existing cluster: %s in %s", count, ", ".join(sorted(zones)) or "no zone")
    validation.check_key(app.ec2, cluster.keyname, str(cluster.access.key_file or ""))
    for node in cluster.nodes:
        if node.key_name != cluster.keyname:
            raise exception.ClusterValidationError(
                f"{node.alias} was launched with the key pair '{node.key_name}', the cluster has '{cluster.keyname}'"
            )
    if validate_only:
        return None
    starting.resume(cluster, create_only=create_only)
    return cluster


def _tell(cluster: Cluster) -> None:
    tag = cluster.tag
    rows = {
        f"starcluster sshmaster {tag}": "log in to the master as root",
        f"starcluster sshmaster {tag} -u {cluster.cluster_user}": "log in as the cluster's user",
        f"starcluster put {tag} FILE /home/": "copy files to the cluster",
        "python aws_train.py NAME": "keep a named spot node alive (train.cfg)",
        f"starcluster stop {tag}": "stop it, to go on later with start -x",
        f"starcluster terminate {tag}": "end it; its volumes stay",
    }
    width = max(len(words) for words in rows)
    lines = [f"    {words.ljust(width)}   {meaning}" for words, meaning in rows.items()]
    click.echo("\n".join(["", _READY, "", *lines, ""]))
