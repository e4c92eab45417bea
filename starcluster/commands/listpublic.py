"""starcluster listpublic"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.commands.imagelist import show_images
from starcluster.commands.listing import Form, forms
from starcluster.commands.words import passes_over_words
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@forms
@passes_over_words
@click.pass_obj
def command(app: App, /, *, form: Form) -> None:
    """Show the stock images of Canonical, Amazon and Debian that have short names here, the newest of this region.

    StarCluster's own public images are gone. NODE_IMAGE_ID takes the ids, and the short names such as ubuntu-24.04,
    which stand for the newest image in whatever region; --json and the table on a terminal show both.

    \b
    Example:
      starcluster listpublic
    """
    found = app.ec2.images.stock()
    names = dict.fromkeys(name for name, _ in found)
    if form is Form.PLAIN:
        log.info("The newest images in %s of: %s", app.ec2.region, ", ".join(names) or "none")
    show_images(form, [image for _, image in found], app.ec2.region, short_names=[name for name, _ in found])
