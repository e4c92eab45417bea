"""starcluster sync up|down CLUSTER NODE"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from starcluster.commands.listing import show_json
from starcluster.commands.words import Words
from starcluster.logger import only_errors

if TYPE_CHECKING:
    from starcluster.app import App

_MIB = 1 << 20


@click.group(cls=Words)
def command() -> None:
    """Push a node's folder to S3 now, or bring it back.

    By the settings of the s3sync plugin on that node; or of a bucket that is named here. The transfer is between node
    and bucket: nothing passes through this machine. docs/s3.md tells what a snapshot is.

    \b
    Examples:
      starcluster sync up mycluster worker-a
      starcluster sync down mycluster worker-a
    """


def _options(function: Any) -> Any:
    for option in (
        click.option("--bucket", metavar="BUCKET", help="This bucket, instead of the plugin's settings."),
        click.option("--prefix", metavar="PREFIX", default="", help="Below this prefix of the bucket."),
        click.option("--path", metavar="FOLDER", default="", help="This folder of the node."),
        click.option("--region", metavar="REGION", default="", help="The bucket's region, if not the cluster's."),
        click.option("--json", "as_json", is_flag=True, help="As JSON."),
    ):
        function = option(function)
    return function


@command.command()
@click.argument("cluster")
@click.argument("node")
@_options
@click.pass_obj
def up(app: App, /, cluster: str, node: str, as_json: bool, **named: str | None) -> None:
    """Push what is new in a node's folder, as a new snapshot.

    \b
    Example:
      starcluster sync up mycluster worker-a
      starcluster sync up mycluster master --bucket my-bucket --prefix home --path /home/sgeadmin
    """
    _do(app, cluster, node, "push", named, as_json=as_json)


@command.command()
@click.argument("cluster")
@click.argument("node")
@_options
@click.option("-f", "--force", is_flag=True, help="Also over files that are newer on the node.")
@click.pass_obj
def down(app: App, /, cluster: str, node: str, as_json: bool, force: bool, **named: str | None) -> None:
    """Restore the newest snapshot into a node's folder, if that is empty or older.

    \b
    Example:
      starcluster sync down mycluster worker-a
    """
    _do(app, cluster, node, "restore", named, *(["--force"] if force else []), as_json=as_json)


def _do(
    app: App, cluster: str, alias: str, verb: str, named: dict[str, str | None], *words: str, as_json: bool
) -> None:
    if as_json:
        only_errors()
    chosen = app.clusters.get(cluster).get_node(alias)
    chosen.s3.install()
    told = chosen.s3.ask(verb, *words, settings=_named(cluster, chosen.alias, named))
    if as_json:
        show_json(told)
    _raise_first(chosen.alias, told)
    if not as_json:
        for one in told:
            click.echo(sentence(chosen.alias, one))


def _named(cluster: str, alias: str, named: dict[str, str | None]) -> dict[str, Any] | None:
    """The settings of a bucket that was named; None when none was."""
    if not named["bucket"]:
        given = [f"--{name}" for name in ("prefix", "path", "region") if named[name]]
        if given:
            raise click.UsageError(f"{', '.join(given)} goes with --bucket")
        return None
    if not str(named["path"]).startswith("/"):
        raise click.UsageError("--bucket goes with --path, an absolute path on the node")
    return {**named, "name": "by-hand", "prefix": named["prefix"] or f"{cluster}/{alias}"}


def _raise_first(alias: str, told: list[dict[str, Any]]) -> None:
    from starcluster.cluster.s3program import trouble_of

    for one in told:
        if not one["ok"]:
            raise trouble_of(alias, one)


def sentence(alias: str, told: dict[str, Any]) -> str:
    """What was done, in one line."""
    place = f"s3://{told['bucket']}/{told['prefix']}".rstrip("/")
    if told["verb"] == "restore":
        if told["done"]:
            return f"{alias}: {told['files']} files ({told['size'] / _MIB:.1f} MiB) of snapshot {told['number']} " + (
                f"restored from {place} to {told['path']} in {told['seconds']} s"
            )
        newer = f": {', '.join(told['newer'][:5])}" if told["newer"] else ""
        return f"{alias}: nothing restored to {told['path']}, {told['why']}{newer}"
    late = f"; still as before: {', '.join(told['late'][:5])}" if told["late"] else ""
    if not told["new"]:
        return f"{alias}: {told['path']}: {told['note']} since snapshot {told['number']} in {place}{late}"
    return f"{alias}: snapshot {told['number']} of {told['path']} is in {place}: {told['files']} files, " + (
        f"{told['sent'] / _MIB:.1f} MiB sent in {told['seconds']} s{late}"
    )
