"""EBS: volumes and their attachments, with the hosts' block devices behind them."""

from __future__ import annotations

import logging
import time
from enum import StrEnum
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models.block_device import BlockDeviceType
from moto.ec2.models.elastic_block_store import Volume, VolumeAttachment
from moto.ec2.utils import random_volume_id

from starcluster.localcloud.api import errors
from starcluster.localcloud.api.cloud import Cloud
from starcluster.localcloud.api.disks import DiskPlan, DiskShape, check_device
from starcluster.localcloud.api.machines import CloudInstance, State
from starcluster.localcloud.hosts.client import HostsError

log = logging.getLogger(__name__)

# How often a detachment that a mounted file system holds up is tried again, in seconds of the wall clock.
RETRY_DETACH = 0.25
MAX_ATTACHED = 27


class VolumeState(StrEnum):
    CREATING = "creating"
    AVAILABLE = "available"
    IN_USE = "in-use"
    DELETING = "deleting"
    ERROR = "error"


class Attachment(VolumeAttachment):
    """A volume at an instance: attaching, attached, busy or detaching."""

    def __init__(self, volume: Any, instance: Any, device: str, status: str, *, delete_on_termination: bool) -> None:
        super().__init__(volume, instance, device, status)
        self.keep = not delete_on_termination

    @property
    def state(self) -> str:
        return str(self.status)

    @property
    def delete_on_termination(self) -> bool:
        block = self.instance.block_device_mapping.get(self.device)
        return bool(block.delete_on_termination) if block else not self.keep


class CloudVolume(Volume):
    """A volume. Root disks belong to the hosts' nodes and have no block device of their own (`hosted`)."""

    def __init__(self, backend: Any, volume_id: str, shape: DiskShape, zone: Any, *, hosted: bool) -> None:
        super().__init__(
            backend,
            volume_id,
            shape.size_gib,
            zone,
            snapshot_id=shape.snapshot_id or "",
            encrypted=shape.encrypted,
            volume_type=shape.volume_type,
            iops=shape.iops,
            throughput=shape.throughput,
            multi_attach_enabled=False,
        )
        self.hosted = hosted
        self.condition = VolumeState.CREATING

    @property
    def status(self) -> str:
        return str(VolumeState.IN_USE if self.attachment else self.condition)

    @property
    def state(self) -> str:
        return self.status


class Volumes:
    """Makes, attaches, detaches and frees volumes."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._jobs = cloud.jobs
        for kind in ("created", "attach", "attached", "detach", "delete"):
            self._jobs.register(f"volume-{kind}", getattr(self, f"_{kind}"))

    # --- calls ---------------------------------------------------------------------------------------------

    def create(self, shape: DiskShape, zone_name: str, *, hosted: bool = True) -> CloudVolume:
        """A new volume in state creating; refused if the hosts have no room for it."""
        cloud = self._cloud
        volume = CloudVolume(
            cloud.backend, random_volume_id(), shape, cloud.backend.get_zone_by_name(zone_name), hosted=hosted
        )
        if hosted:
            self._make_image(volume)
        cloud.backend.volumes[volume.id] = volume
        cloud.soon(cloud.timing.create_volume, "volume-created", volume.id)
        return volume

    def _make_image(self, volume: CloudVolume) -> None:
        try:
            with self._cloud.unlocked():
                self._cloud.hosts.create_volume(volume.id, size_gib=volume.size, snapshot_id=volume.snapshot_id or None)
        except HostsError as error:
            raise errors.Refusal("InsufficientVolumeCapacity", f"The local cloud cannot store it: {error}") from None

    def add_launch_disk(self, instance: CloudInstance, disk: DiskPlan, tags: dict[str, str]) -> None:
        """A volume that comes with an instance; it is attached when the host boots."""
        volume = self.create(disk.shape, instance.availability_zone or "", hosted=not disk.is_root)
        volume.condition = VolumeState.AVAILABLE
        volume.add_tags(tags)
        self._bind(volume, instance, disk.device, "attaching", delete_on_termination=disk.delete_on_termination)

    def attach(self, volume: Any, instance: CloudInstance, device: str) -> Attachment:
        """AttachVolume, with EC2's refusals."""
        check_device(device)
        self._check_attach(volume, instance, device)
        attachment = self._bind(volume, instance, device, "attaching", delete_on_termination=False)
        self._cloud.log.event("attaching", volume.id, instance=instance.id)
        self._cloud.at_once("volume-attach", volume.id)
        return attachment

    def _check_attach(self, volume: Any, instance: CloudInstance, device: str) -> None:
        if volume.attachment is not None:
            text = f"{volume.id} is already attached to an instance"
            raise errors.Refusal("VolumeInUse", text)
        if volume.status != VolumeState.AVAILABLE:
            raise errors.Refusal("IncorrectState", f"The volume '{volume.id}' is not 'available'.")
        if instance.now not in (State.RUNNING, State.STOPPED):
            text = f"Instance '{instance.id}' is not 'running' or 'stopped'."
            raise errors.Refusal("IncorrectState", text)
        if volume.availability_zone != instance.availability_zone:
            text = f"The volume '{volume.id}' is not in the same availability zone as instance '{instance.id}'"
            raise errors.Refusal("InvalidVolume.ZoneMismatch", text)
        if device in instance.block_device_mapping:
            text = f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
            raise errors.Refusal("InvalidParameterValue", text)
        if len(instance.block_device_mapping) > MAX_ATTACHED:
            raise errors.Refusal("AttachmentLimitExceeded", "Volume attachment limit exceeded")

    def detach(self, volume: Any, *, force: bool) -> Attachment:
        """DetachVolume; while the node has it mounted the attachment stays detaching."""
        attachment: Attachment = volume.attachment
        instance = attachment.instance
        if attachment.device == instance.root_device_name and instance.now is not State.STOPPED:
            text = f"Unable to detach root volume '{volume.id}' from instance '{instance.id}'"
            raise errors.Refusal("OperationNotPermitted", text)
        if not volume.hosted:
            raise errors.Refusal("UnsupportedOperation", "The local cloud cannot detach a root volume")
        if attachment.status in ("detaching", "busy") and not force:
            raise errors.Refusal("IncorrectState", f"Volume '{volume.id}' is in the '{attachment.status}' state.")
        attachment.status = "detaching"
        attachment.force = force
        attachment.detach_from = time.time() + self._cloud.timing.wall(self._cloud.timing.detach)
        self._cloud.log.event("detaching", volume.id, instance=instance.id)
        self._cloud.at_once("volume-detach", volume.id)
        return attachment

    def delete(self, volume: Any) -> None:
        if volume.attachment is not None:
            text = f"Volume {volume.id} is currently attached to {volume.attachment.instance.id}"
            raise errors.Refusal("VolumeInUse", text)
        if volume.status == VolumeState.CREATING:
            raise errors.Refusal("IncorrectState", f"Volume '{volume.id}' is in the 'creating' state.")
        self._remove(volume)

    # --- parts ---------------------------------------------------------------------------------------------

    def _bind(
        self, volume: Any, instance: CloudInstance, device: str, status: str, *, delete_on_termination: bool
    ) -> Attachment:
        attachment = Attachment(volume, instance, device, status, delete_on_termination=delete_on_termination)
        attachment.force = False
        volume.attachment = attachment
        instance.block_device_mapping[device] = BlockDeviceType(
            volume_id=volume.id,
            status=status,
            size=volume.size,
            attach_time=utcnow(),
            delete_on_termination=delete_on_termination,
        )
        return attachment

    def _unbind(self, volume: Any) -> None:
        attachment = volume.attachment
        attachment.instance.block_device_mapping.pop(attachment.device, None)
        volume.attachment = None
        volume.condition = VolumeState.AVAILABLE

    def _remove(self, volume: Any) -> None:
        volume.condition = VolumeState.DELETING
        self._cloud.backend.volumes.pop(volume.id, None)
        self._cloud.backend.tags.pop(volume.id, None)
        self._cloud.log.event("deleted", volume.id)
        if volume.hosted:
            self._cloud.at_once("volume-delete", volume.id)

    def of_instance(self, instance: CloudInstance) -> list[Any]:
        """The volumes bound to an instance, roots included."""
        volumes = self._cloud.backend.volumes
        return [
            volumes[block.volume_id] for _, block in instance.get_block_device_mapping if block.volume_id in volumes
        ]

    def attach_at_boot(self, instance: CloudInstance) -> None:
        """Give a booted host its block devices. Called without the lock; raises HostsError."""
        for volume in self.of_instance(instance):
            if volume.hosted:
                self._cloud.hosts.attach(instance.id, volume.id, device=volume.attachment.device)
        with self._cloud.lock:
            for volume in self.of_instance(instance):
                if volume.attachment.status == "attaching":
                    volume.attachment.status = "attached"

    def free_all(self, instance: CloudInstance) -> None:
        """The instance is terminated: its volumes are free, or deleted where asked for."""
        for volume in self.of_instance(instance):
            gone = volume.attachment.delete_on_termination
            self._unbind(volume)
            if gone:
                self._remove(volume)
            else:
                self._cloud.log.event("available", volume.id)

    # --- jobs ----------------------------------------------------------------------------------------------

    def _created(self, volume_id: str) -> None:
        with self._cloud.lock:
            volume = self._cloud.backend.volumes.get(volume_id)
            if volume is not None and volume.condition is VolumeState.CREATING:
                volume.condition = VolumeState.AVAILABLE
                self._cloud.log.event("available", volume_id)

    def _bound(self, volume_id: str, *statuses: str) -> tuple[Any, Attachment] | None:
        """The volume and its attachment if that is in one of these states."""
        volume = self._cloud.backend.volumes.get(volume_id)
        attachment = getattr(volume, "attachment", None)
        return (volume, attachment) if attachment is not None and attachment.status in statuses else None

    def _attach(self, volume_id: str) -> float | None:
        with self._cloud.lock:
            found = self._bound(volume_id, "attaching")
            if found is None:
                return None
            instance, device = found[1].instance, found[1].device
        if instance.now is State.RUNNING:
            with self._cloud.host_lock(instance.id):
                try:
                    self._cloud.hosts.attach(instance.id, volume_id, device=device)
                except HostsError as error:
                    log.warning("attaching %s to %s: %s", volume_id, instance.id, error)
                    return 1.0
        self._cloud.soon(self._cloud.timing.attach, "volume-attached", volume_id)
        return None

    def _attached(self, volume_id: str) -> None:
        with self._cloud.lock:
            found = self._bound(volume_id, "attaching")
            if found is not None:
                found[1].status = "attached"
                self._cloud.log.event("attached", volume_id, instance=found[1].instance.id)

    def _detach(self, volume_id: str) -> float | None:
        with self._cloud.lock:
            found = self._bound(volume_id, "detaching", "busy")
            if found is None:
                return None
            attachment = found[1]
            instance = attachment.instance
            left = float(attachment.detach_from - time.time())
        if instance.now in (State.SHUTTING_DOWN, State.STOPPING):
            return RETRY_DETACH  # EC2 keeps a detachment back while the system goes down
        # A stopped host is told too: it would show the disk again at its next start.
        if not self._release(instance, volume_id, force=attachment.force):
            with self._cloud.lock:
                attachment.status = "busy"
            return RETRY_DETACH
        if left > 0:
            return left
        with self._cloud.lock:
            if self._bound(volume_id, "detaching", "busy") is not None:
                self._unbind(found[0])
                self._cloud.log.event("available", volume_id)
        return None

    def _release(self, instance: CloudInstance, volume_id: str, *, force: bool) -> bool:
        """Take the block device from the host; False while it is mounted there."""
        with self._cloud.host_lock(instance.id):
            try:
                return self._cloud.hosts.detach(instance.id, volume_id, force=force)
            except HostsError as error:
                log.warning("detaching %s from %s: %s", volume_id, instance.id, error)
                return False

    def _delete(self, volume_id: str) -> float | None:
        try:
            self._cloud.hosts.delete_volume(volume_id)
        except HostsError as error:
            log.warning("deleting %s: %s", volume_id, error)
            return 1.0
        return None
