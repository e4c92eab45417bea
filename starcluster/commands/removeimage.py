"""starcluster removeimage IMAGE..."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster import exception
from starcluster.commands.asking import confirm_option, confirmed
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.model import Image


@click.command()
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option("-p", "--pretend", is_flag=True, help="Only show what would be removed.")
@click.option("-k", "--keep-image-data", is_flag=True, help="Keep the snapshots that the images are made of.")
@confirm_option
@click.pass_obj
def command(app: App, /, *, images: tuple[str, ...], pretend: bool, keep_image_data: bool, confirm: bool) -> None:
    """Remove machine images of yours, named by id or name, with their snapshots. Instances made of them stay whole.

    \b
    Example:
      starcluster removeimage myimage
    """
    # all are looked at before the first is removed
    for name, image in [(name, _find(app, name)) for name in images]:
        if image is None:
            _remove_rest(app, name, pretend=pretend, keep=keep_image_data, sure=confirm)
        else:
            _remove(app, image, pretend=pretend, keep=keep_image_data, sure=confirm)


def _find(app: App, name: str) -> Image | None:
    """The image; None where it is gone and has left snapshots."""
    from starcluster.cluster import imaging

    try:
        image = imaging.find_image(app.ec2, name)
    except exception.ImageDoesNotExist:
        if name.startswith("ami-") and imaging.left_snapshots(app.ec2, name):
            return None
        raise
    if image.id not in {one.id for one in app.ec2.images.own()}:
        raise exception.InvalidOperation(
            f"image {image.id} ({image.name}) is not yours, it belongs to {image.owner}",
            hint="starcluster listimages shows yours",
        )
    return image


def _remove(app: App, image: Image, *, pretend: bool, keep: bool, sure: bool) -> None:
    from starcluster.cluster import imaging

    called = f"{image.id} ({image.name})"
    data = "" if keep or not image.snapshot_ids else f" with {', '.join(image.snapshot_ids)}"
    if pretend:
        log.info("%s would be removed%s", called, data)
    elif confirmed(f"**PERMANENTLY** delete image {called}{data}", sure=sure):
        gone = imaging.remove_image(app.ec2, image, keep_data=keep)
        log.info("Image %s removed%s", called, f" with {', '.join(gone)}" if gone else "")


def _remove_rest(app: App, image_id: str, *, pretend: bool, keep: bool, sure: bool) -> None:
    from starcluster.cluster import imaging

    ids = [one.id for one in imaging.left_snapshots(app.ec2, image_id)]
    log.info("%s is gone; it has left %s", image_id, ", ".join(ids))
    if not pretend and not keep and confirmed(f"**PERMANENTLY** delete {', '.join(ids)}", sure=sure):
        log.info("Removed %s", ", ".join(imaging.delete_snapshots(app.ec2, ids)))
