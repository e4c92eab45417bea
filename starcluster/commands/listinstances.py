"""starcluster listinstances"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starcluster.commands.showing import NONE, block, or_none, tag_words, total, uptime, words
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.model import Instance


@click.command()
@click.option("-t", "--show-terminated", is_flag=True, help="Show terminated instances too.")
@click.pass_obj
def command(app: App, show_terminated: bool) -> None:
    """Show the region's instances, whether of a cluster or not.

    \b
    Example:
      starcluster listinstances
    """
    found = [one for one in app.ec2.instances.find() if show_terminated or not one.state.is_gone]
    if not found:
        log.info("No instances found")
        return
    for instance in found:
        block(facts(instance))
    total(len(found))


def facts(instance: Instance) -> dict[str, object]:
    reason = instance.reason_message or instance.transition_reason
    state = f"{instance.state} ({reason})" if reason else str(instance.state)
    return {
        "id": instance.id,
        "dns_name": or_none(instance.public_dns),
        "private_dns_name": or_none(instance.private_dns),
        "state": state,
        "public_ip": or_none(instance.public_ip),
        "private_ip": or_none(instance.private_ip),
        "vpc": or_none(instance.vpc_id),
        "subnet": or_none(instance.subnet_id),
        "zone": or_none(instance.zone),
        "ami": or_none(instance.image_id),
        "virtualization": or_none(instance.virtualization),
        "type": or_none(instance.instance_type),
        "groups": words(instance.group_names),
        "keypair": or_none(instance.key_name),
        "uptime": uptime(instance.launched) if instance.state.is_alive else NONE,
        "tags": or_none(tag_words(instance.tags)),
    }
