"""starcluster listsnapshots"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from starcluster.commands.listing import Form, forms, iso, show_list
from starcluster.commands.showing import local_time, tag_words
from starcluster.commands.tables import Column
from starcluster.commands.tags import METAVAR, read_tags

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.model import Snapshot

COLUMNS = {
    "snapshot_id": Column(head="ID"),
    "name": Column(head="NAME", style="bold"),
    "volume_id": Column(head="VOLUME", rank=2),
    "size": Column(head="SIZE", right=True),
    "status": Column(head="STATUS"),
    "progress": Column(head="PROGRESS", rank=3, right=True),
    "data": Column(head="DATA", rank=4, right=True),
    "create_time": Column(head="CREATED", rank=1),
}
_GIB = 1 << 30
# what AWS asks in us-east-1; elsewhere up to a third more
_DOLLARS_PER_GIB_MONTH = 0.05


@click.command()
@click.argument("snapshots", metavar="[SNAPSHOT]...", nargs=-1)
@click.option("-v", "--volume", metavar="VOLUME", help="Only those of this volume, by id or Name tag.")
@click.option(
    "-t", "--tag", "tags", multiple=True, callback=read_tags, metavar=METAVAR, help="Only those with this tag."
)
@forms
@click.pass_obj
def command(app: App, /, *, snapshots: tuple[str, ...], volume: str | None, tags: dict[str, str], form: Form) -> None:
    """Show your snapshots in this region, oldest first; or those that are named by id or Name tag.

    EC2 tells how much data a snapshot holds once it is completed. The cost a month is an estimate for the whole of it,
    by the price of us-east-1: blocks that snapshots of one volume share are paid once.

    \b
    Example:
      starcluster listsnapshots --volume home
    """
    volume_ids = [_volume_id(app, volume)] if volume else []
    filters = {f"tag:{key}": value or "*" for key, value in tags.items()}
    found = (
        [app.ec2.snapshots.get(name) for name in snapshots]
        if snapshots
        else app.ec2.snapshots.find(volume_ids=volume_ids, filters=filters)
    )
    blocks = [facts(one) for one in found]
    if form is Form.TABLE:
        blocks = [{**one, "name": snapshot.name} for one, snapshot in zip(blocks, found, strict=True)]
    show_list(form, words=[as_words(one) for one in found], blocks=blocks, columns=COLUMNS, what="snapshots")


def _volume_id(app: App, name: str) -> str:
    """A volume's id stays good when the volume is gone: its snapshots are not."""
    return name if name.startswith("vol-") else app.ec2.volumes.get(name).id


def facts(snapshot: Snapshot) -> dict[str, object]:
    facts: dict[str, object] = {
        "snapshot_id": snapshot.id,
        "volume_id": snapshot.volume_id,
        "size": f"{snapshot.size}GB",
        "status": snapshot.state,
        "progress": f"{snapshot.progress}%",
    }
    if snapshot.message:
        facts["message"] = snapshot.message
    if snapshot.description:
        facts["description"] = snapshot.description
    if snapshot.encrypted:
        facts["encrypted"] = "yes"
    if snapshot.data_bytes is not None:
        facts["data"] = f"{snapshot.data_bytes / _GIB:.2f}GB"
        facts["cost"] = f"about ${cost(snapshot):.2f} a month"
    facts["create_time"] = local_time(snapshot.started)
    if snapshot.tags:
        facts["tags"] = tag_words(snapshot.tags)
    return facts


def cost(snapshot: Snapshot) -> float:
    """Dollars a month, if nothing of it were shared."""
    return (snapshot.data_bytes or 0) / _GIB * _DOLLARS_PER_GIB_MONTH


def as_words(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "snapshot_id": snapshot.id,
        "name": snapshot.name or None,
        "volume_id": snapshot.volume_id,
        "size_gb": snapshot.size,
        "status": snapshot.state.value,
        "progress": snapshot.progress,
        "message": snapshot.message or None,
        "description": snapshot.description or None,
        "encrypted": snapshot.encrypted,
        "data_bytes": snapshot.data_bytes,
        "cost_a_month": None if snapshot.data_bytes is None else round(cost(snapshot), 4),
        "create_time": iso(snapshot.started),
        "tags": dict(snapshot.tags),
    }
