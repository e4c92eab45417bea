"""starcluster listvolumes"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from starcluster import exception
from starcluster.cluster import record
from starcluster.commands.listing import Form, forms, iso, show_list
from starcluster.commands.showing import local_time, tag_words
from starcluster.commands.tables import Column
from starcluster.commands.tags import METAVAR, read_tags
from starcluster.commands.words import passes_over_words
from starcluster.logger import log
from starcluster.model import AttachmentState, ModificationState, VolumeState

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.model import Instance, Modification, Volume

COLUMNS = {
    "volume_id": Column(head="ID"),
    "name": Column(head="NAME", style="bold"),
    "size": Column(head="SIZE", right=True),
    "status": Column(head="STATUS"),
    "availability_zone": Column(head="ZONE", rank=2),
    "attached_to": Column(head="ATTACHED TO", rank=1),
    "type": Column(head="TYPE", rank=3),
    "create_time": Column(head="CREATED", rank=4),
}
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
@forms
@passes_over_words
@click.pass_obj
def command(
    app: App,
    /,
    *,
    show_deleted: bool,
    name: str | None,
    volume_id: str | None,
    tags: dict[str, str],
    form: Form,
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
    about = Surroundings(
        snapshots=snapshots,
        holders=_holders(app, shown),
        changes=_changes(app) if shown else {},
    )
    blocks = [facts(one, about) for one in shown]
    if form is Form.TABLE:
        blocks = [_row(one, volume, about) for one, volume in zip(blocks, shown, strict=True)]
    show_list(form, words=[as_words(one, about) for one in shown], blocks=blocks, columns=COLUMNS, what="volumes")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What else is told of volumes: by volume id their snapshots and changes, by instance id who holds them."""

    snapshots: Mapping[str, Sequence[str]] = field(default_factory=dict)
    holders: Mapping[str, Instance] = field(default_factory=dict)
    changes: Mapping[str, Modification] = field(default_factory=dict)


def _changes(app: App) -> Mapping[str, Modification]:
    """A user who may list volumes need not be one who may change them."""
    try:
        return app.ec2.volumes.modifications()
    except exception.PermissionDenied as error:
        log.debug("%s", error)
        return {}


def _holders(app: App, volumes: Sequence[Volume]) -> dict[str, Instance]:
    ids = sorted({one.holder.instance_id for one in volumes if one.holder})
    return {one.id: one for one in app.ec2.instances.find(ids=ids)} if ids else {}


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


def facts(volume: Volume, about: Surroundings) -> dict[str, object]:
    """StarCluster's lines in StarCluster's order; what it did not have comes after them."""
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
    if about.snapshots.get(volume.id):
        facts["snapshots"] = " ".join(about.snapshots[volume.id])
    facts["create_time"] = local_time(volume.created)
    if volume.tags:
        facts["tags"] = tag_words(volume.tags)
    facts |= {"type": volume.kind}
    facts |= {"iops": volume.iops} if volume.iops else {}
    facts |= {"throughput": f"{volume.throughput}MiB/s"} if volume.throughput else {}
    facts |= {"encrypted": "yes" if volume.encrypted else "no"}
    if volume.holder:
        facts["attached_to"] = _holder_words(volume, about)
    change = about.changes.get(volume.id)
    if change is not None and change.state is not ModificationState.COMPLETED:
        facts["modification"] = f"{change.state} ({change.progress}%)"
    return facts


def _holder_words(volume: Volume, about: Surroundings) -> str:
    """`i-1 (master of mycluster) as /dev/sdf`"""
    holder = volume.holder
    if holder is None:
        return ""
    instance = about.holders.get(holder.instance_id)
    alias = instance.alias if instance else ""
    cluster = instance.tags.get(record.CLUSTER, "") if instance else ""
    who = f" ({alias}{f' of {cluster}' if cluster else ''})" if alias else ""
    return f"{holder.instance_id}{who} as {holder.device}"


def _row(told: Mapping[str, object], volume: Volume, about: Surroundings) -> dict[str, object]:
    """For the table: of a holder with a name not the id too, which takes the room of three columns."""
    row = {**told, "name": volume.name}
    if volume.holder and " (" in (words := _holder_words(volume, about)):
        row["attached_to"] = words.partition(" (")[2].replace(")", "")
    return row


def as_words(volume: Volume, about: Surroundings) -> dict[str, Any]:
    holder, change = volume.holder, about.changes.get(volume.id)
    instance = about.holders.get(holder.instance_id) if holder else None
    attached = (
        {
            "instance_id": holder.instance_id,
            "device": holder.device,
            "status": holder.state.value,
            "alias": (instance.alias or None) if instance else None,
            "cluster": instance.tags.get(record.CLUSTER) if instance else None,
        }
        if holder
        else None
    )
    return {
        "volume_id": volume.id,
        "name": volume.name or None,
        "size_gb": volume.size,
        "status": volume.state.value,
        "availability_zone": volume.zone,
        "type": volume.kind,
        "iops": volume.iops,
        "throughput": volume.throughput,
        "encrypted": volume.encrypted,
        "attached_to": attached,
        "snapshot_id": volume.snapshot_id or None,
        "snapshots": list(about.snapshots.get(volume.id, ())),
        "modification": {"status": change.state.value, "progress": change.progress} if change else None,
        "create_time": iso(volume.created),
        "tags": dict(volume.tags),
    }
