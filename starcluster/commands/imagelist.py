"""Lists of machine images, in StarCluster's shape: two headed lists, by the width of the processor's words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from starcluster.commands.listing import Form, show_json, show_table
from starcluster.commands.showing import local_time
from starcluster.commands.tables import Column

if TYPE_CHECKING:
    from starcluster.model import Image

COLUMNS = {
    "id": Column(head="ID"),
    "name": Column(head="NAME", least=20, style="bold"),
    "state": Column(head="STATE", rank=3),
    "architecture": Column(head="ARCH", rank=1),
    "created": Column(head="CREATED", rank=2),
}
SHORT = Column(head="SHORT NAME")
_32BIT = "i386"


def show_images(form: Form, images: Sequence[Image], region: str, *, short_names: Sequence[str] = ()) -> None:
    """`short_names`: what configs may call them, one for each."""
    shorts = short_names or [""] * len(images)
    if form is Form.JSON:
        words = [as_words(one) for one in images]
        show_json(
            [{"short_name": short, **one} for short, one in zip(shorts, words, strict=True)] if short_names else words
        )
    elif form is Form.TABLE:
        columns = {"short": SHORT, **COLUMNS} if short_names else COLUMNS
        show_table(columns, [{"short": short, **_row(one)} for short, one in zip(shorts, images, strict=True)])
    else:
        _show_plain(images, region)


def _show_plain(images: Sequence[Image], region: str) -> None:
    for title, some in (
        ("32bit Images:", [one for one in images if one.architecture == _32BIT]),
        ("64bit Images:", [one for one in images if one.architecture != _32BIT]),
    ):
        click.echo(f"{title}\n{'-' * len(title)}")
        for number, one in enumerate(some):
            click.echo(f"[{number}] {one.id} {region} {one.name or 'N/A'} ({kind(one)})")
        click.echo()
    click.echo(f"total images: {len(images)}")


def kind(image: Image) -> str:
    """StarCluster's word: EBS, HVM-EBS, or nothing for the images of old in S3."""
    words = [
        word for word, so in (("HVM", image.virtualization == "hvm"), ("EBS", image.root_device_type == "ebs")) if so
    ]
    return "-".join(words)


def made_at(image: Image) -> str:
    """In local time, as all lists for people have it."""
    return local_time(datetime.fromisoformat(image.created) if image.created else None)


def _row(image: Image) -> dict[str, object]:
    return {
        "id": image.id,
        "name": image.name,
        "state": image.state,
        "architecture": image.architecture,
        "created": made_at(image),
    }


def as_words(image: Image) -> dict[str, Any]:
    """EC2's names; `login_user` is whom a fresh instance lets in; null = none."""
    return {
        "image_id": image.id,
        "name": image.name,
        "description": image.description or None,
        "state": image.state,
        "state_reason": image.message or None,
        "owner_id": image.owner or None,
        "architecture": image.architecture,
        "virtualization_type": image.virtualization,
        "root_device_type": image.root_device_type,
        "root_device_name": image.root_device,
        "creation_date": image.created or None,
        "login_user": image.login_user,
        "block_device_mappings": [
            {
                "device_name": one.device,
                "snapshot_id": one.snapshot_id,
                "volume_size": one.size,
                "volume_type": one.kind,
            }
            for one in image.disks
        ],
        "tags": dict(image.tags),
    }
