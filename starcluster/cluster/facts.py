"""What EC2 tells of a node, under StarCluster's names; nothing here asks the node itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starcluster import names
from starcluster.aws.easyec2 import Group
from starcluster.aws.likeboto import Machine, moment
from starcluster.cluster.nodebase import NodeBase
from starcluster.model import BlockDevice, Instance, InstanceState, Market

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2


class Facts(NodeBase):
    def __init__(self, instance: Instance, ec2: Ec2) -> None:
        self.described = instance
        self.ec2 = ec2

    @property
    def instance(self) -> Machine:
        """The instance as plugins know it: under boto's names, and its attributes can be changed."""
        return Machine(self.described, self.ec2.instances)

    @property
    def alias(self) -> str:
        return self.described.alias

    _alias = alias  # plugins read this one too

    @property
    def id(self) -> str:
        return self.described.id

    @property
    def state(self) -> InstanceState:
        return self.described.state

    @property
    def tags(self) -> Mapping[str, str]:
        return self.described.tags

    @property
    def instance_type(self) -> str:
        return self.described.instance_type

    @property
    def image_id(self) -> str:
        return self.described.image_id

    @property
    def key_name(self) -> str:
        return self.described.key_name

    @property
    def placement(self) -> str:
        """Its availability zone."""
        return self.described.zone

    @property
    def arch(self) -> str:
        return self.described.architecture

    @property
    def kernel(self) -> str | None:
        """The kernel image of a paravirtual machine; None of others."""
        return self.described.kernel_id or None

    @property
    def ramdisk(self) -> str | None:
        return self.described.ramdisk_id or None

    @property
    def ami_launch_index(self) -> int:
        """Its place in the call that launched it, from 0."""
        return self.described.launch_index

    @property
    def user_data(self) -> str:
        """What it was launched with."""
        return self.ec2.instances.user_data(self.id)

    @property
    def ip_address(self) -> str:
        return self.described.public_ip

    @property
    def private_ip_address(self) -> str:
        return self.described.private_ip

    @property
    def public_dns_name(self) -> str:
        return self.described.public_dns

    @property
    def private_dns_name(self) -> str:
        return self.described.private_dns

    @property
    def private_dns_name_short(self) -> str:
        return self.described.private_dns.split(".")[0]

    @property
    def dns_name(self) -> str:
        """What a user would ssh to."""
        return self.described.address

    addr = dns_name

    @property
    def network_names(self) -> dict[str, str]:
        """Kind of name -> name, for /etc/hosts and known_hosts."""
        found = {
            "INTERNAL_IP": self.private_ip_address,
            "INTERNAL_NAME": self.private_dns_name,
            "INTERNAL_NAME_SHORT": self.private_dns_name_short,
            "INTERNAL_ALIAS": self.alias,
        }
        return {kind: name for kind, name in found.items() if name}

    @property
    def launch_time(self) -> str:
        return moment(self.described.launched)

    @property
    def local_launch_time(self) -> str:
        launched = self.described.launched
        return launched.astimezone().strftime("%Y-%m-%d %H:%M:%S") if launched else "N/A"

    @property
    def uptime(self) -> str:
        """`D days, HH:MM:SS` since the launch; N/A unless it runs."""
        if not self.state.is_alive or self.described.launched is None:
            return "N/A"
        seconds = max(int((datetime.now(UTC) - self.described.launched).total_seconds()), 0)
        hours, rest = divmod(seconds % 86400, 3600)
        return f"{seconds // 86400} days, {hours:02d}:{rest // 60:02d}:{rest % 60:02d}"

    @property
    def vpc_id(self) -> str:
        return self.described.vpc_id

    @property
    def subnet_id(self) -> str:
        return self.described.subnet_id

    @property
    def spot_id(self) -> str | None:
        return self.described.spot_request_id or None

    @property
    def root_device_name(self) -> str:
        return self.described.root_device

    @property
    def root_device_type(self) -> str:
        return "ebs"

    @property
    def block_device_mapping(self) -> dict[str, BlockDevice]:
        return {device.device: device for device in self.described.block_devices}

    @property
    def attached_vols(self) -> dict[str, BlockDevice]:
        """The attached volumes that are not the root device, by device name."""
        return {device.device: device for device in self.described.data_devices}

    @property
    def groups(self) -> list[Group]:
        pairs = zip(self.described.group_ids, self.described.group_names, strict=False)
        return [Group(id=id_, name=name, network=self.ec2.network) for id_, name in pairs]

    @property
    def cluster_groups(self) -> list[Group]:
        return [group for group in self.groups if group.name.startswith(names.GROUP_PREFIX)]

    @property
    def parent_cluster(self) -> Group | None:
        return next(iter(self.cluster_groups), None)

    # --- questions

    def is_master(self) -> bool:
        return names.is_master(self.alias)

    def is_spot(self) -> bool:
        return self.described.market is Market.SPOT

    def is_ebs_backed(self) -> bool:
        return True

    def is_instance_store(self) -> bool:
        return False

    def is_stoppable(self) -> bool:
        """A one-time spot instance can only be terminated."""
        return not self.is_spot()

    def is_gpu_compute(self) -> bool:
        """Its type's family is one of those with GPUs of NVIDIA's or AMD's: cg1, g2 and later, gr6, p2 and later."""
        return bool(re.match(r"(cg|gr?|p)\d", self.instance_type))

    def is_cluster_compute(self) -> bool:
        """Its type is of EC2's old families for clusters without GPUs: cc1, cc2, cr1."""
        return bool(re.match(r"(cc|cr)\d", self.instance_type))

    def is_cluster_type(self) -> bool:
        return self.is_cluster_compute() or self.is_gpu_compute()

    def is_stopped(self) -> bool:
        return self.state is InstanceState.STOPPED

    def is_running(self) -> bool:
        return self.state is InstanceState.RUNNING
