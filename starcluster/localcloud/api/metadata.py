"""What an instance reads about itself at 169.254.169.254: the tree that the hosts serve."""

from __future__ import annotations

import json
import time
from typing import Any

from starcluster.localcloud.api import roles
from starcluster.localcloud.api.cloud import ACCOUNT, Cloud
from starcluster.localcloud.api.machines import CloudInstance

STAMP = "%Y-%m-%dT%H:%M:%SZ"
Tree = dict[str, Any]


def metadata_tree(cloud: Cloud, instance: CloudInstance) -> Tree:
    """The whole tree of one instance as it is now; a name that is not there is answered with 404."""
    tree: Tree = {
        "ami-id": instance.image_id,
        "ami-launch-index": str(instance.ami_launch_index),
        "hostname": instance.private_dns_name,
        "instance-action": "none",
        "instance-id": instance.id,
        "instance-life-cycle": "spot" if instance.is_spot else "on-demand",
        "instance-type": instance.instance_type,
        "local-hostname": instance.private_dns_name,
        "local-ipv4": instance.private_ip_address or "",
        "placement": _placement(cloud, instance),
        "reservation-id": cloud.backend.reservation_of(instance.id),
        "security-groups": "\n".join(group.name for group in instance.security_groups),
        "services": {"domain": "amazonaws.com", "partition": "aws"},
        "dynamic": {"instance-identity": {"document": _identity(cloud, instance)}},
        "_http_tokens": instance.metadata_options.http_tokens,
        "_hop_limit": instance.metadata_options.http_put_response_hop_limit,
    }
    tree |= _network(instance) | _key(cloud, instance) | _user_data(instance) | _role(cloud, instance)
    return tree | _tags(cloud, instance) | _warnings(cloud, instance)


def _placement(cloud: Cloud, instance: CloudInstance) -> Tree:
    zone = instance.availability_zone or ""
    known = {each.name: each.zone_id for each in cloud.backend.describe_availability_zones()}
    placement = {"availability-zone": zone, "availability-zone-id": known.get(zone, ""), "region": cloud.region}
    if instance.placement.group_name:
        placement["group-name"] = instance.placement.group_name
    return placement


def _network(instance: CloudInstance) -> Tree:
    mac = instance.nics[0].mac_address
    card: Tree = {
        "device-number": "0",
        "local-hostname": instance.private_dns_name,
        "local-ipv4s": instance.private_ip_address or "",
        "mac": mac,
        "subnet-id": instance.subnet_id,
        "vpc-id": instance.vpc_id,
        "security-group-ids": "\n".join(group.id for group in instance.security_groups),
    }
    tree: Tree = {"mac": mac, "network": {"interfaces": {"macs": {mac: card}}}}
    if instance.public_ip_address:
        card["public-ipv4s"] = instance.public_ip_address
        tree |= {"public-ipv4": instance.public_ip_address, "public-hostname": instance.public_dns_name}
    return tree


def authorized_keys(cloud: Cloud, instance: CloudInstance) -> tuple[str, ...]:
    """The public key that the instance was launched with, as cloud-init puts it into authorized_keys."""
    pair = cloud.backend.key_pairs.get(instance.key_name)
    if pair is None:
        return ()
    line = pair.public_key.strip()
    return (line if len(line.split()) > 2 else f"{line} {instance.key_name}",)


def _key(cloud: Cloud, instance: CloudInstance) -> Tree:
    keys = authorized_keys(cloud, instance)
    return {"public-keys": {"0": {"openssh-key": keys[0]}}} if keys else {}


def _user_data(instance: CloudInstance) -> Tree:
    return {"user-data": str(instance.user_data)} if instance.user_data else {}


def _role(cloud: Cloud, instance: CloudInstance) -> Tree:
    """Keys of the role in its instance profile, new ones each time that the tree is made."""
    arn = (instance.iam_instance_profile or {}).get("Arn", "")
    role = cloud.roles.of_profile(arn) if arn else ""
    return {"iam": roles.metadata(cloud.keys, role, instance.id, arn, time.time())} if role else {}


def _tags(cloud: Cloud, instance: CloudInstance) -> Tree:
    if instance.metadata_options.instance_metadata_tags != "enabled":
        return {}
    return {"tags": {"instance": dict(cloud.backend.tags.get(instance.id, {}))}}


def _warnings(cloud: Cloud, instance: CloudInstance) -> Tree:
    """The two signals of an interruption."""
    tree: Tree = {}
    notice, rebalance = cloud.world.notices.get(instance.id), cloud.world.rebalances.get(instance.id)
    if notice is not None:
        at = notice.at.strftime(STAMP)
        tree["spot"] = {"instance-action": json.dumps({"action": notice.action, "time": at})}
        if notice.action == "terminate":
            tree["spot"]["termination-time"] = at
    if rebalance is not None:
        text = json.dumps({"noticeTime": rebalance.strftime(STAMP)})
        tree["events"] = {"recommendations": {"rebalance": text}}
    return tree


def _identity(cloud: Cloud, instance: CloudInstance) -> str:
    document = {
        "accountId": ACCOUNT,
        "architecture": instance.architecture,
        "availabilityZone": instance.availability_zone,
        "imageId": instance.image_id,
        "instanceId": instance.id,
        "instanceType": instance.instance_type,
        "pendingTime": instance.launch_time.strftime(STAMP),
        "privateIp": instance.private_ip_address,
        "region": cloud.region,
        "version": "2017-09-30",
    }
    return json.dumps(document, indent=2)
