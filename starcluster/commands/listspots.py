"""starcluster listspots"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from starcluster.commands.listing import Form, forms, iso, show_list
from starcluster.commands.showing import NONE, local_time, or_none, words
from starcluster.commands.tables import Column
from starcluster.commands.words import passes_over_words
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.model import SpotRequest

COLUMNS = {
    "id": Column(head="ID"),
    "state": Column(head="STATE"),
    "status": Column(head="STATUS", rank=1),
    "instance_id": Column(head="INSTANCE", rank=3),
    "instance_type": Column(head="TYPE", rank=2),
    "zone": Column(head="ZONE", rank=4),
    "price": Column(head="LIMIT", rank=5, right=True),
    "create_time": Column(head="CREATED", rank=6),
}


@click.command()
@click.option("-c", "--show-closed", is_flag=True, help="Show closed, cancelled and failed requests too.")
@forms
@passes_over_words
@click.pass_obj
def command(app: App, /, *, show_closed: bool, form: Form) -> None:
    """Show the region's spot requests.

    \b
    Example:
      starcluster listspots --show-closed
    """
    found = [one for one in app.ec2.spot.find() if show_closed or one.state.is_live]
    if not found and form is not Form.JSON:
        log.info("No spot instance requests found...")
        return
    blocks = [facts(one) for one in found]
    show_list(
        form, words=[as_words(one) for one in found], blocks=blocks, columns=COLUMNS, what="spot instance requests"
    )


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


def as_words(spot: SpotRequest) -> dict[str, Any]:
    """EC2's names; `spot_price`, the limit in US dollars an hour, is null where none was set."""
    return {
        "spot_instance_request_id": spot.id,
        "state": spot.state.value,
        "status_code": spot.code,
        "status_message": spot.message,
        "type": spot.kind,
        "spot_price": spot.price,
        "instance_id": spot.instance_id or None,
        "instance_type": spot.instance_type,
        "image_id": spot.image_id,
        "launched_availability_zone": spot.zone or None,
        "create_time": iso(spot.created),
        "launch_group": spot.launch_group or None,
        "availability_zone_group": spot.zone_group or None,
        "security_group_ids": list(spot.group_ids),
        "tags": dict(spot.tags),
    }
