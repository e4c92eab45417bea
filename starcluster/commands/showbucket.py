"""starcluster showbucket BUCKET"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.commands.listing import Form, forms, iso, show_json
from starcluster.commands.showing import local_time

if TYPE_CHECKING:
    from starcluster.app import App


@click.command()
@click.argument("bucket", metavar="BUCKET")
@click.option("--prefix", default="", metavar="TEXT", help="Only objects whose names begin so.")
@forms
@click.pass_obj
def command(app: App, /, *, bucket: str, prefix: str, form: Form) -> None:
    """Show what is in an S3 bucket: size in bytes, time and name of each object.

    \b
    Example:
      starcluster showbucket mybucket --prefix snapshots/
    """
    found = app.ec2.objects.objects(bucket, prefix)
    if form is Form.JSON:
        show_json([{"key": one.key, "size": one.size, "last_modified": iso(one.modified)} for one in found])
        return
    width = max((len(str(one.size)) for one in found), default=1)
    for one in found:
        click.echo(f"{one.size:>{width}}  {local_time(one.modified)}  {one.key}")
    click.echo(f"total objects: {len(found)}")
