"""The actions on volumes and snapshots."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from starcluster.localcloud.api import errors, filters, paging
from starcluster.localcloud.api.answer import Answer
from starcluster.localcloud.api.cloud import ACCOUNT
from starcluster.localcloud.api.disks import read_shape
from starcluster.localcloud.api.ids import check_id
from starcluster.localcloud.api.tagging import read_tag_specifications
from starcluster.localcloud.api.views import attachment_view, snapshot_view, tags_of, volume_view

CREATE = "CreateVolume"

VOLUME_FILTERS: dict[str, filters.Getter] = {
    "attachment.attach-time": lambda v: v.attachment.attach_time if v.attachment else None,
    "attachment.delete-on-termination": lambda v: v.attachment.delete_on_termination if v.attachment else None,
    "attachment.device": lambda v: v.attachment.device if v.attachment else None,
    "attachment.instance-id": lambda v: v.attachment.instance.id if v.attachment else None,
    "attachment.status": lambda v: v.attachment.status if v.attachment else None,
    "availability-zone": lambda v: v.zone.name,
    "create-time": lambda v: v.create_time,
    "encrypted": lambda v: bool(v.encrypted),
    "size": lambda v: str(v.size),
    "snapshot-id": lambda v: v.snapshot_id or None,
    "status": lambda v: str(v.status),
    "volume-id": lambda v: v.id,
    "volume-type": lambda v: v.volume_type,
}

SNAPSHOT_FILTERS: dict[str, filters.Getter] = {
    "description": lambda s: s.description,
    "encrypted": lambda s: bool(s.encrypted),
    "owner-alias": lambda s: None if s.owner_id == ACCOUNT else "amazon",
    "owner-id": lambda s: s.owner_id,
    "progress": lambda s: s.progress,
    "snapshot-id": lambda s: s.id,
    "start-time": lambda s: s.start_time,
    "status": lambda s: s.status,
    "storage-tier": lambda s: "standard",
    "volume-id": lambda s: s.volume_id,
    "volume-size": lambda s: str(s.volume_size),
}

MODIFICATION_FILTERS: dict[str, filters.Getter] = {
    "modification-state": lambda view: view["ModificationState"],
    "original-size": lambda view: str(view["OriginalSize"]),
    "target-size": lambda view: str(view["TargetSize"]),
    "volume-id": lambda view: view["VolumeId"],
}


class VolumeAnswers(Answer):
    """EBS."""

    def create_volume(self) -> ActionResult:
        params = dict(self.params)
        known = self.tokens.before(CREATE, params)
        if known is not None:
            return ActionResult(volume_view(self.ec2_backend.get_volume(known)))
        zone = params.get("AvailabilityZone") or self._zone_by_id(params.get("AvailabilityZoneId"))
        if zone not in self.ec2_backend.zone_names():
            raise errors.Refusal("InvalidZone.NotFound", f"The zone '{zone}' does not exist.")
        shape = read_shape(self.cloud, params)
        tags = read_tag_specifications(params.get("TagSpecifications"), ["volume"]).get("volume", {})
        self.error_on_dryrun()
        volume = self.cloud.volumes.create(shape, zone)
        volume.add_tags(tags)
        self.tokens.after(CREATE, params, volume.id)
        return ActionResult(volume_view(volume))

    def _zone_by_id(self, zone_id: str | None) -> str:
        if not zone_id:
            raise errors.missing("AvailabilityZone")
        names = {each.zone_id: each.name for each in self.ec2_backend.describe_availability_zones()}
        return str(names.get(zone_id, zone_id))

    def describe_volumes(self) -> ActionResult:
        self.error_on_dryrun()
        ids = self._get_param("VolumeIds", [])
        if ids and self._get_param("MaxResults"):
            raise errors.bad_combination("MaxResults cannot be used with volume ids")
        backend = self.ec2_backend
        found = [backend.get_volume(each) for each in ids] if ids else list(backend.volumes.values())
        wanted = filters.read_filters(self.params)
        found = filters.apply(found, wanted, VOLUME_FILTERS, lambda each: tags_of(backend, each.id))
        shown, token = paging.page(found, self.params, key=lambda each: each.id)
        return ActionResult({"Volumes": [volume_view(each) for each in shown], "NextToken": token})

    def describe_volume_status(self) -> ActionResult:
        self.error_on_dryrun()
        ids = self._get_param("VolumeIds", [])
        backend = self.ec2_backend
        found = [backend.get_volume(each) for each in ids] if ids else list(backend.volumes.values())
        wanted = filters.read_filters(self.params)
        getters = {name: VOLUME_FILTERS[name] for name in ("availability-zone", "volume-id")}
        found = filters.apply(found, wanted, getters, lambda each: {})
        shown, token = paging.page(found, self.params, key=lambda each: each.id)
        return ActionResult({"VolumeStatuses": [_status_view(each) for each in shown], "NextToken": token})

    def delete_volume(self) -> ActionResult:
        volume = self.ec2_backend.get_volume(self._get_param("VolumeId"))
        if self._get_param("DryRun", False):
            self.error_on_dryrun()
        self.cloud.volumes.delete(volume)
        return EmptyResult()

    def attach_volume(self) -> ActionResult:
        volume = self.ec2_backend.get_volume(self._required("VolumeId"))
        instance = self.ec2_backend.get_instance(self._required("InstanceId"))
        device = self._required("Device")
        self.error_on_dryrun()
        self.cloud.volumes.attach(volume, instance, device)
        return ActionResult(attachment_view(volume))

    def detach_volume(self) -> ActionResult:
        volume = self.ec2_backend.get_volume(self._required("VolumeId"))
        instance_id, device = self._get_param("InstanceId"), self._get_param("Device")
        if instance_id:
            check_id("InvalidInstanceID", instance_id, "i")
        attachment = volume.attachment
        if attachment is None:
            raise errors.Refusal("IncorrectState", f"Volume '{volume.id}' is in the 'available' state.")
        if instance_id not in (None, attachment.instance.id) or device not in (None, attachment.device):
            text = f"Volume {volume.id} is not attached to {instance_id or 'an instance'} as {device or 'any device'}"
            raise errors.Refusal("InvalidAttachment.NotFound", text)
        self.error_on_dryrun()
        self.cloud.volumes.detach(volume, force=bool(self._get_bool_param("Force", False)))
        return ActionResult(attachment_view(volume))

    def _required(self, name: str) -> str:
        value = self._get_param(name)
        if not value:
            raise errors.missing(name)
        return str(value)

    def modify_volume(self) -> ActionResult:
        volume = self.ec2_backend.get_volume(self._required("VolumeId"))
        dry = bool(self._get_param("DryRun", False))
        change = self.cloud.snapshots.modify(volume, dict(self.params), dry=dry)
        self.error_on_dryrun()
        return ActionResult({"VolumeModification": change.view(self.cloud)})

    def describe_volumes_modifications(self) -> ActionResult:
        self.error_on_dryrun()
        backend, ids = self.ec2_backend, self._get_param("VolumeIds", [])
        volumes = [backend.get_volume(each) for each in ids] if ids else list(backend.volumes.values())
        views = [each.view(self.cloud) for volume in volumes for each in volume.modifications[-1:]]
        if ids and not views:
            text = f"Modification for volume '{ids[0]}' does not exist."
            raise errors.Refusal("InvalidVolumeModification.NotFound", text)
        found = filters.apply(views, filters.read_filters(self.params), MODIFICATION_FILTERS, lambda view: {})
        shown, token = paging.page(found, self.params, key=lambda view: str(view["VolumeId"]))
        return ActionResult({"VolumesModifications": shown, "NextToken": token})

    # --- snapshots ---------------------------------------------------------------------------------------------

    def create_snapshot(self) -> ActionResult:
        volume = self.ec2_backend.get_volume(self._required("VolumeId"))
        specs = read_tag_specifications(self._get_param("TagSpecifications", []), ["snapshot"])
        self.error_on_dryrun()
        description = self._get_param("Description") or ""
        snapshot = self.cloud.snapshots.take(volume, description, specs.get("snapshot", {}))
        return ActionResult(snapshot_view(snapshot))

    def describe_snapshots(self) -> ActionResult:
        self.error_on_dryrun()
        backend, ids = self.ec2_backend, self._get_param("SnapshotIds", [])
        found = [backend.get_snapshot(each) for each in ids] if ids else list(backend.snapshots.values())
        owners = {ACCOUNT if each == "self" else each for each in self._get_param("OwnerIds", [])}
        if owners:
            found = [each for each in found if each.owner_id in owners]
        wanted = filters.read_filters(self.params)
        found = filters.apply(found, wanted, SNAPSHOT_FILTERS, lambda each: tags_of(backend, each.id))
        shown, token = paging.page(found, self.params, key=lambda each: each.id)
        return ActionResult({"Snapshots": [snapshot_view(each) for each in shown], "NextToken": token})

    def delete_snapshot(self) -> ActionResult:
        snapshot = self.ec2_backend.get_snapshot(self._required("SnapshotId"))
        self.error_on_dryrun()
        self.cloud.snapshots.delete(snapshot)
        return EmptyResult()


def _status_view(volume: Any) -> dict[str, Any]:
    return {
        "VolumeId": volume.id,
        "AvailabilityZone": volume.zone.name,
        "VolumeStatus": {"Status": "ok", "Details": [{"Name": "io-enabled", "Status": "passed"}]},
        "Actions": [],
        "Events": [],
    }
