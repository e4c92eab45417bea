"""starcluster drive create|list|show|attach|detach|move|snapshot|prune|restore|remove: disks that follow the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from starcluster import exception, names
from starcluster.cluster.drives.retention import DEFAULT
from starcluster.commands.asking import confirm_option, confirmed
from starcluster.commands.listing import Form, forms, show_json, show_table
from starcluster.commands.showing import block, counted, or_none, total
from starcluster.commands.tables import Column
from starcluster.commands.volumeoptions import encryption_options, speed_options
from starcluster.commands.words import Words
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.cluster.drives.drive import Drive
    from starcluster.cluster.drives.keeping import Drives

COLUMNS = {
    "drive": Column(head="DRIVE", style="bold"),
    "size_gb": Column(head="GB", right=True),
    "state": Column(head="STATE"),
    "zone": Column(head="ZONE", rank=1),
    "used_by": Column(head="USED BY", rank=2),
    "volume_id": Column(head="VOLUME", rank=5),
    "snapshots": Column(head="SNAPSHOTS", rank=3, right=True),
    "newest_snapshot_at": Column(head="NEWEST", rank=4),
}
_LOSSY = "Rather an older snapshot than waiting for writes that are not in one yet."


@click.group(cls=Words)
def command() -> None:
    """Drives: named disks that move between zones, as a volume or as their newest snapshot.

    A drive has one writer at a time. Where it is wanted in another zone than its volume is in, a snapshot of all of it
    is taken and a volume made from that; the old one is kept until `prune` finds that nothing on it is missing.

    \b
    Examples:
      starcluster drive create data 50
      starcluster drive attach data mycluster mynode /data
      starcluster drive move data us-east-1b
    """


def _drives(app: App) -> Drives:
    from starcluster.cluster.drives.keeping import Drives

    return Drives(app.clusters)


@command.command()
@click.argument("name", metavar="NAME")
@click.argument("size", metavar="SIZE", type=click.IntRange(min=1))
@speed_options
@encryption_options
@click.option("--filesystem", type=click.Choice(["ext4", "xfs"]), default="ext4", show_default=True, help="To make.")
@click.option("--keep", default=DEFAULT, show_default=True, metavar="RULE", help="Which snapshots prune keeps.")
@click.pass_obj
def create(app: App, /, *, name: str, size: int, keep: str, **shape: Any) -> None:
    """Make a drive of SIZE GB. It costs nothing until it is first attached: its volume is made there and then.

    \b
    Example:
      starcluster drive create data 50 --keep "3 hourly, 7 daily"
    """
    names.check_alias(name)
    wanted = {"size": size, **{key: value for key, value in shape.items() if value}}
    _drives(app).create(name, shape=wanted, keep=keep)
    log.info("The drive %s is made; `starcluster drive attach %s CLUSTER NODE PATH` brings it to a node", name, name)


@command.command("list")
@forms
@click.pass_obj
def list_(app: App, /, *, form: Form) -> None:
    """Show the region's drives.

    \b
    Example:
      starcluster drive list --json
    """
    _show(app, _drives(app).records.all(), form=form)


@command.command()
@click.argument("name", metavar="NAME")
@forms
@click.pass_obj
def show(app: App, /, *, name: str, form: Form) -> None:
    """Show a drive: its volumes, its snapshots, and what is kept for lack of certainty.

    \b
    Example:
      starcluster drive show data
    """
    _show(app, [_drives(app).records.get(name)], form=form, alone=True)


def _show(app: App, found: list[Drive], *, form: Form, alone: bool = False) -> None:
    from starcluster.cluster.drives.keeping import facts

    holders = {disk.volume.holder.instance_id for one in found for disk in one.forms if disk.volume.holder}
    instances = app.ec2.instances.find(ids=sorted(holders)) if holders else []
    aliases = {one.id: f"{one.alias} ({one.id})" for one in instances}
    told = [facts(one, app.clock.now(), aliases) for one in found]
    if form is Form.JSON:
        show_json(told[0] if alone else told)
        return
    blocks = [{key: _words(value) for key, value in words.items()} for words in told]
    if form is Form.TABLE and not alone:
        show_table(COLUMNS, blocks, what="drives")
    for words, shown in zip(told, blocks, strict=True):
        if form is Form.PLAIN or alone:
            block(shown)
        if words["forks"]:
            log.warning(
                "%s: %s may hold writes that the drive does not have: look at it (attachvolume), then removevolume",
                words["drive"],
                _words(words["forks"]),
            )
    if form is Form.PLAIN and not alone:
        total(len(told))


def _words(value: object) -> str:
    return or_none(", ".join(value) if isinstance(value, list) else "" if value is None else str(value))


@command.command()
@click.argument("name", metavar="NAME")
@click.argument("tag", metavar="CLUSTER")
@click.argument("node", metavar="NODE")
@click.argument("path", metavar="PATH")
@click.option("--lossy", is_flag=True, help=_LOSSY)
@click.pass_obj
def attach(app: App, /, *, name: str, tag: str, node: str, path: str, lossy: bool) -> None:
    """Bring the drive to a running NODE and mount it at PATH, from whatever zone it is in. May be repeated.

    \b
    Example:
      starcluster drive attach data mycluster mynode /data
    """
    cluster = app.clusters.get(tag)
    there = cluster.get_node(node)
    if not there.is_running():
        raise exception.InstanceNotRunning(f"{node} ({there.id}) is not running but {there.state}")
    click.echo(_drives(app).attach(name, there, path, lossy=lossy))


@command.command()
@click.argument("name", metavar="NAME")
@click.option("--force", is_flag=True, help="Kill what uses it; where its node can not be reached, lose writes.")
@click.pass_obj
def detach(app: App, /, *, name: str, force: bool) -> None:
    """Unmount the drive and take it from its node, so that another one may have it.

    \b
    Example:
      starcluster drive detach data
    """
    _drives(app).detach(name, force=force)
    log.info("Nobody has the drive %s now", name)


@command.command()
@click.argument("name", metavar="NAME")
@click.argument("zone", metavar="ZONE")
@click.option("--lossy", is_flag=True, help=_LOSSY)
@click.pass_obj
def move(app: App, /, *, name: str, zone: str, lossy: bool) -> None:
    """Have the drive's volume in ZONE, free to be attached; the last line of the output is its id.

    \b
    Example:
      starcluster drive move data us-east-1b
    """
    from starcluster.cluster.volumes import check_zone

    check_zone(app.ec2, zone)
    click.echo(_drives(app).move(name, zone, lossy=lossy).id)


@command.command()
@click.argument("name", metavar="NAME")
@click.option("--no-wait", is_flag=True, help="Do not wait until it is stored.")
@click.pass_obj
def snapshot(app: App, /, *, name: str, no_wait: bool) -> None:
    """Keep what is on the drive now; where it is mounted its file system stands still for an instant.

    \b
    Example:
      starcluster drive snapshot data
    """
    from starcluster.cluster import snapshotting

    made = _drives(app).snapshot(name)
    if not no_wait:
        snapshotting.wait_stored(app.clusters, made)
    click.echo(made.id)


@command.command()
@click.argument("name", metavar="NAME")
@click.pass_obj
def prune(app: App, /, *, name: str) -> None:
    """Delete the snapshots that the drive's rule does not keep, and old volumes whose every write it has.

    The newest snapshot stays, whatever the rule says.

    \b
    Example:
      starcluster drive prune data
    """
    pruned = _drives(app).prune(name)
    for one in (*pruned.snapshots, *pruned.volumes):
        click.echo(one)
    log.info("%s and %s deleted", counted(len(pruned.snapshots), "snapshot"), counted(len(pruned.volumes), "volume"))
    for one in pruned.forks:
        log.warning("%s is kept: it may hold writes that the drive does not have", one)


@command.command()
@click.argument("name", metavar="NAME")
@click.argument("snapshot_id", metavar="SNAPSHOT")
@click.argument("zone", metavar="ZONE")
@confirm_option
@click.pass_obj
def restore(app: App, /, *, name: str, snapshot_id: str, zone: str, confirm: bool) -> None:
    """Go back to one of the drive's snapshots, as a volume in ZONE. The volume that it was is kept.

    \b
    Example:
      starcluster drive restore data snap-0123456789abcdef0 us-east-1a
    """
    from starcluster.cluster.volumes import check_zone

    check_zone(app.ec2, zone)
    if confirmed(f"Go back to {snapshot_id}; what was written since is not in it any more", sure=confirm):
        click.echo(_drives(app).restore(name, snapshot_id, zone).id)


@command.command()
@click.argument("name", metavar="NAME")
@confirm_option
@click.pass_obj
def remove(app: App, /, *, name: str, confirm: bool) -> None:
    """Delete the drive for good, all its volumes and all its snapshots.

    \b
    Example:
      starcluster drive remove data
    """
    drives = _drives(app)
    found = drives.records.get(name)
    what = f"{counted(len(found.forms), 'volume')} and {counted(len(found.shots), 'snapshot')}"
    if confirmed(f"**PERMANENTLY** delete the drive {name}, {what}", sure=confirm):
        drives.remove(name)
        log.info("The drive %s is gone", name)
