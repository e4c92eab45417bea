"""moto's EC2 tables with this cloud's instances, volumes and images in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import moto.ec2.models.elastic_ip_addresses as moto_addresses
import moto.ec2.models.elastic_network_interfaces as moto_interfaces
import moto.ec2.urls as moto_urls
from moto.ec2.models import EC2Backend

from starcluster.localcloud.api import errors, images
from starcluster.localcloud.api.addresses import public_dns
from starcluster.localcloud.api.ids import check_id
from starcluster.localcloud.api.machines import CloudInstance, State

if TYPE_CHECKING:
    from starcluster.localcloud.api.cloud import Cloud
    from starcluster.localcloud.api.disks import DiskPlan

# moto asks its backend for addresses through bare functions; they find the cloud here.
_current: dict[str, Cloud] = {}


class CloudBackend(EC2Backend):
    """One region. Everything here is pickled by the store, except the cloud that it serves."""

    _url_module = moto_urls

    def __init__(self, region: str, account: str) -> None:
        self._index: dict[str, tuple[CloudInstance, str]] = {}
        super().__init__(region, account)
        images.add_stock(self, region)
        self._open_default_vpc()

    def _open_default_vpc(self) -> None:
        """The way out that EC2's own default VPC has, and moto's lacks."""
        for vpc in self.vpcs.values():
            gateway = self.create_internet_gateway()
            self.attach_internet_gateway(gateway.id, vpc.id)
            for table in self.route_tables.values():
                if table.vpc_id == vpc.id:
                    self.create_route(table.id, "0.0.0.0/0", gateway_id=gateway.id)

    @property
    def cloud(self) -> Cloud:
        return _current["cloud"]

    # --- instances -------------------------------------------------------------------------------------------

    def index_instance(self, instance: CloudInstance, reservation_id: str) -> None:
        self._index[instance.id] = (instance, reservation_id)

    def find_instance(self, instance_id: str) -> CloudInstance | None:
        found = self._index.get(instance_id)
        return found[0] if found else None

    def get_instance(self, instance_id: str) -> CloudInstance:
        check_id("InvalidInstanceID", instance_id, "i")
        instance = self.find_instance(instance_id)
        if instance is None:
            raise errors.Refusal("InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist")
        return instance

    def get_instances(self, instance_ids: list[str]) -> list[CloudInstance]:
        """All of them, or a refusal that names those that are missing."""
        for instance_id in instance_ids:
            check_id("InvalidInstanceID", instance_id, "i")
        lost = [each for each in instance_ids if each not in self._index]
        if len(lost) == 1:
            raise errors.Refusal("InvalidInstanceID.NotFound", f"The instance ID '{lost[0]}' does not exist")
        if lost:
            text = f"The instance IDs '{', '.join(lost)}' do not exist"
            raise errors.Refusal("InvalidInstanceID.NotFound", text)
        return [self._index[each][0] for each in dict.fromkeys(instance_ids)]

    def get_multi_instances_by_id(self, instance_ids: list[str], filters: Any = None) -> list[CloudInstance]:
        return [each for each in self.get_instances(instance_ids) if each.applies(filters)]

    def get_instance_by_id(self, instance_id: str) -> CloudInstance:
        return self.get_instance(instance_id)

    def every_instance(self) -> list[CloudInstance]:
        return [instance for instance, _ in self._index.values()]

    def reservation_of(self, instance_id: str) -> str:
        return self._index[instance_id][1]

    def drop_instance(self, instance_id: str) -> None:
        """Forget a terminated instance."""
        found = self._index.pop(instance_id, None)
        if found is None:
            return
        reservation = self.reservations.get(found[1])
        if reservation is not None:
            reservation.instances.remove(found[0])
            if not reservation.instances:
                del self.reservations[found[1]]
        self.tags.pop(instance_id, None)

    def drop_associations(self, instance: CloudInstance) -> None:
        """A terminated instance has no profile and no Elastic IP any more."""
        found = self.iam_instance_profile_associations.get(instance.id)
        if found is not None:
            self.disassociate_iam_instance_profile(association_id=found.association_id)
        for address in self.addresses:
            if address.instance is instance:
                address.instance = address.eni = address.association_id = None

    def add_launch_disk(self, instance: CloudInstance, disk: DiskPlan, tags: dict[str, str]) -> None:
        self.cloud.volumes.add_launch_disk(instance, disk, tags)

    # --- volumes ---------------------------------------------------------------------------------------------

    def get_volume(self, volume_id: str) -> Any:
        check_id("InvalidVolumeID", volume_id, "vol")
        volume = self.volumes.get(volume_id)
        if volume is None:
            raise errors.Refusal("InvalidVolume.NotFound", f"The volume '{volume_id}' does not exist.")
        return volume

    def get_snapshot(self, snapshot_id: str) -> Any:
        check_id("InvalidSnapshotID", snapshot_id, "snap")
        snapshot = self.snapshots.get(snapshot_id)
        if snapshot is None:
            raise errors.Refusal("InvalidSnapshot.NotFound", f"The snapshot '{snapshot_id}' does not exist.")
        return snapshot

    def ready_snapshot(self, snapshot_id: str) -> Any:
        snapshot = self.get_snapshot(snapshot_id)
        if snapshot.status != "completed":
            text = f"Snapshot is in invalid state - {snapshot.status}"
            raise errors.Refusal("IncorrectState", text)
        return snapshot

    # --- groups ----------------------------------------------------------------------------------------------

    def users_of_group(self, group_id: str) -> list[str]:
        """The interfaces and groups that keep a security group from being deleted."""
        users = [eni.id for eni in self.enis.values() if any(each.id == group_id for each in eni.group_set)]
        for groups in self.groups.values():
            for group in groups.values():
                if group.id != group_id and _names_group(group, group_id):
                    users.append(group.id)
        return users

    def zone_names(self) -> list[str]:
        return [zone.name for zone in self.describe_availability_zones()]

    def public_addresses(self) -> set[str]:
        taken = {eni.public_ip for eni in self.enis.values() if eni.public_ip}
        return taken | {each.public_ip for each in self.addresses}

    def counts(self) -> dict[str, int]:
        """How many instances there are in each state."""
        found = dict.fromkeys((state.value for state in State), 0)
        for instance in self.every_instance():
            found[instance.now] += 1
        return found


def _names_group(group: Any, group_id: str) -> bool:
    rules = [*group.ingress_rules, *group.egress_rules]
    return any(rule.source_group.get("GroupId") == group_id for rule in rules)


def _public_ip() -> str:
    cloud = _current["cloud"]
    return cloud.world.addresses.public(cloud.backend.public_addresses())


def serve(cloud: Cloud) -> None:
    """Make `cloud` the one whose tables moto's classes work on."""
    _current["cloud"] = cloud
    moto_interfaces.random_public_ip = _public_ip
    moto_interfaces.generate_dns_from_ip = _dns_name
    moto_addresses.random_ip = _public_ip


def _dns_name(address: str, dns_type: str = "internal") -> str:
    from starcluster.localcloud.api.addresses import PUBLIC_PREFIX, private_dns

    if address.startswith(PUBLIC_PREFIX + "."):
        return public_dns(address)
    return private_dns(address, _current["cloud"].region)
