"""starcluster showimage IMAGE"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.commands.imagelist import as_words, made_at
from starcluster.commands.listing import Form, forms, show_json
from starcluster.commands.showing import block, or_none, tag_words

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.model import Image


@click.command()
@click.argument("image", metavar="IMAGE")
@forms
@click.pass_obj
def command(app: App, /, *, image: str, form: Form) -> None:
    """Show a machine image, by id or name: what it is, and the snapshots that it is made of.

    \b
    Examples:
      starcluster showimage ami-0123456789abcdef0
      starcluster showimage ubuntu-24.04
    """
    found = app.ec2.images.resolve(image)
    if form is Form.JSON:
        show_json(as_words(found))
    else:
        block(facts(found))


def facts(image: Image) -> dict[str, object]:
    lines: dict[str, object] = {
        "id": image.id,
        "name": or_none(image.name),
        "description": or_none(image.description),
        "state": f"{image.state} ({image.message})" if image.message else image.state,
        "owner": or_none(image.owner),
        "architecture": image.architecture,
        "virtualization": image.virtualization,
        "root_device": f"{image.root_device} ({image.root_device_type})",
        "login_user": image.login_user,
        "create_time": made_at(image),
        "tags": or_none(tag_words(image.tags)),
    }
    disks = {f"disk {one.device}": f"{one.size or '?'}GB {one.kind} {one.snapshot_id}" for one in image.disks}
    return lines | disks
