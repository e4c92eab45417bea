"""starcluster listspots"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.commands.showing import NONE, block, local_time, or_none, total, words
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.model import SpotRequest


@click.command()
@click.option("-c", "--show-closed", is_flag=True, help="Show closed, cancelled and failed requests too.")
@click.pass_obj
def command(app: App, show_closed: bool) -> None:
    """Show the region's spot requests.

    \b
    Example:
      starcluster listspots --show-closed
    """
    found = [one for one in app.ec2.spot.find() if show_closed or one.state.is_live]
    if not found:
        log.info("No spot instance requests found...")
        return
    for spot in found:
        block(facts(spot))
    total(len(found))


def facts(spot: SpotRequest) -> dict[str, object]:
    return {
        "id": spot.id,
        "price": NONE if spot.price is None else f"${spot.price:.2f}",
        "status": or_none(spot.code),
        # a fulfilled request has nothing more to say
        "message": NONE if spot.code == "fulfilled" else or_none(spot.message),
        "spot_request_type": spot.kind,
        "state": spot.state,
        "instance_id": or_none(spot.instance_id),
        "instance_type": or_none(spot.instance_type),
        "image_id": or_none(spot.image_id),
        "zone": or_none(spot.zone),
        "create_time": local_time(spot.created),
        "launch_group": or_none(spot.launch_group),
        "zone_group": or_none(spot.zone_group),
        "security_groups": words(spot.group_ids),
    }
