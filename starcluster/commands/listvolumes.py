"""starcluster listvolumes"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from starcluster.commands.showing import block, local_time, tag_words, total
from starcluster.commands.tags import METAVAR, read_tags
from starcluster.model import AttachmentState, VolumeState

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.model import Volume

_GONE = (VolumeState.DELETING, VolumeState.DELETED)


@click.command()
@click.option("-n", "--name", metavar="NAME", help="Only volumes with this Name tag.")
@click.option("-d", "--show-deleted", is_flag=True, help="Show volumes that are being deleted too.")
@click.option("-v", "--volume-id", metavar="ID", help="Only this volume.")
@click.option("-s", "--size", type=int, metavar="GB", help="Only volumes of this size.")
@click.option(
    "-S", "--status", type=click.Choice([state.value for state in VolumeState]), help="Only volumes in this state."
)
@click.option(
    "-a",
    "--attach-status",
    type=click.Choice([state.value for state in AttachmentState]),
    help="Only volumes whose attachment is in this state.",
)
@click.option("-z", "--zone", metavar="ZONE", help="Only volumes of this zone.")
@click.option("-i", "--snapshot-id", metavar="ID", help="Only volumes made from this snapshot.")
@click.option(
    "-t", "--tag", "tags", multiple=True, callback=read_tags, metavar=METAVAR, help="Only volumes with this tag."
)
@click.pass_obj
def command(
    app: App,
    /,
    *,
    show_deleted: bool,
    name: str | None,
    volume_id: str | None,
    tags: dict[str, str],
    **wanted: object,
) -> None:
    """Show the region's volumes, oldest first.

    \b
    Example:
      starcluster listvolumes --name home
    """
    found = app.ec2.volumes.find(
        ids=[volume_id] if volume_id else (), names=[name] if name else (), filters=ec2_filters(wanted, tags)
    )
    shown = [one for one in found if show_deleted or one.state not in _GONE]
    shown.sort(key=lambda one: (one.created is None, one.created, one.id))
    snapshots = app.ec2.snapshots.of_volumes([one.id for one in shown])
    for volume in shown:
        block(facts(volume, snapshots.get(volume.id, [])))
    total(len(shown))


def ec2_filters(wanted: Mapping[str, object], tags: Mapping[str, str]) -> dict[str, str]:
    """Our options as EC2's filters."""
    known = {
        "size": "size",
        "status": "status",
        "attach_status": "attachment.status",
        "zone": "availability-zone",
        "snapshot_id": "snapshot-id",
    }
    filters = {known[name]: str(value) for name, value in wanted.items() if name in known and value is not None}
    return filters | {f"tag:{key}": value or "*" for key, value in tags.items()}


def facts(volume: Volume, snapshots: list[str]) -> dict[str, object]:
    facts: dict[str, object] = {
        "volume_id": volume.id,
        "size": f"{volume.size}GB",
        "status": volume.state,
    }
    if volume.holder:
        facts["attachment_status"] = volume.holder.state
    facts["availability_zone"] = volume.zone
    if volume.snapshot_id:
        facts["snapshot_id"] = volume.snapshot_id
    if snapshots:
        facts["snapshots"] = " ".join(snapshots)
    facts["create_time"] = local_time(volume.created)
    if volume.tags:
        facts["tags"] = tag_words(volume.tags)
    return facts
