"""starcluster listinstances"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from starcluster.cluster import record
from starcluster.commands.listing import Form, forms, iso, show_list
from starcluster.commands.showing import NONE, or_none, tag_words, uptime, words
from starcluster.commands.tables import Column
from starcluster.commands.words import passes_over_words
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.model import Instance

COLUMNS = {
    "id": Column(head="ID"),
    "alias": Column(head="ALIAS", style="bold"),
    "state": Column(head="STATE", least=10),
    "type": Column(head="TYPE", rank=1),
    "zone": Column(head="ZONE", rank=3),
    "groups": Column(head="GROUPS", rank=4),
    "uptime": Column(head="UPTIME", rank=2),
    "dns_name": Column(head="ADDRESS", rank=5),
    "ami": Column(head="IMAGE", rank=6),
}


@click.command()
@click.option("-t", "--show-terminated", is_flag=True, help="Show terminated instances too.")
@forms
@passes_over_words
@click.pass_obj
def command(app: App, /, *, show_terminated: bool, form: Form) -> None:
    """Show the region's instances, whether of a cluster or not.

    \b
    Example:
      starcluster listinstances
    """
    found = [one for one in app.ec2.instances.find() if show_terminated or not one.state.is_gone]
    if not found and form is not Form.JSON:
        log.info("No instances found")
        return
    blocks = [facts(one) for one in found]
    if form is Form.TABLE:
        blocks = [{**one, "alias": instance.alias} for one, instance in zip(blocks, found, strict=True)]
    show_list(form, words=[as_words(one) for one in found], blocks=blocks, columns=COLUMNS, what="instances")


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


def as_words(instance: Instance) -> dict[str, Any]:
    """EC2's names, and the node's in its cluster; null = none."""
    return {
        "instance_id": instance.id,
        "alias": instance.alias or None,
        "cluster": instance.tags.get(record.CLUSTER) or None,
        "state": instance.state.value,
        "state_reason": instance.reason_message or instance.transition_reason or None,
        "instance_type": instance.instance_type,
        "image_id": instance.image_id,
        "architecture": instance.architecture,
        "virtualization_type": instance.virtualization,
        "market": instance.market.value,
        "spot_instance_request_id": instance.spot_request_id or None,
        "availability_zone": instance.zone or None,
        "vpc_id": instance.vpc_id or None,
        "subnet_id": instance.subnet_id or None,
        "private_ip_address": instance.private_ip or None,
        "public_ip_address": instance.public_ip or None,
        "private_dns_name": instance.private_dns or None,
        "public_dns_name": instance.public_dns or None,
        "key_name": instance.key_name or None,
        "launch_time": iso(instance.launched),
        "security_groups": list(instance.group_names),
        "volumes": [
            {"device_name": one.device, "volume_id": one.volume_id, "status": one.state}
            for one in instance.block_devices
        ],
        "tags": dict(instance.tags),
    }
