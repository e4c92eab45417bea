"""starcluster listimages"""

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
@click.option(
    "-x", "--executable-by-me", is_flag=True, help="Show others' images that you were given the right to use."
)
@forms
@passes_over_words
@click.pass_obj
def command(app: App, /, *, executable_by_me: bool, form: Form) -> None:
    """Show your machine images in this region; a config may name them by id or by name.

    \b
    Example:
      starcluster listimages
    """
    images = app.ec2.images
    found = images.executable() if executable_by_me else images.own()
    if form is Form.PLAIN or (form is Form.TABLE and not found):
        log.info("Your images in %s:" if found else "You have no images in %s", app.ec2.region)
    show_images(form, found, app.ec2.region)
