"""The actions on machine images and instance types."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS
from moto.ec2.utils import random_ami_id

from starcluster.localcloud.api import catalog, errors, filters, paging
from starcluster.localcloud.api.answer import Answer
from starcluster.localcloud.api.cloud import ACCOUNT
from starcluster.localcloud.api.images import AMI_ID, CloudImage
from starcluster.localcloud.api.machines import CloudInstance, State
from starcluster.localcloud.api.tagging import read_tag_specifications
from starcluster.localcloud.api.views import tag_list, tags_of

IMAGE_FILTERS: dict[str, filters.Getter] = {
    "architecture": lambda i: i.architecture,
    "block-device-mapping.device-name": lambda i: i.root_device_name,
    "block-device-mapping.snapshot-id": lambda i: i.ebs_snapshot.id,
    "creation-date": lambda i: i.creation_date,
    "description": lambda i: i.description,
    "ena-support": lambda i: True,
    "hypervisor": lambda i: "xen",
    "image-id": lambda i: i.id,
    "image-type": lambda i: "machine",
    "is-public": lambda i: i.is_public,
    "name": lambda i: i.name,
    "owner-alias": lambda i: i.owner_alias,
    "owner-id": lambda i: i.owner_id,
    "root-device-name": lambda i: i.root_device_name,
    "root-device-type": lambda i: "ebs",
    "state": lambda i: i.state,
    "virtualization-type": lambda i: "hvm",
}

OFFERING_FILTERS: dict[str, filters.Getter] = {
    "instance-type": lambda row: row["InstanceType"],
    "location": lambda row: row["Location"],
}


class ImageAnswers(Answer):
    """AMIs."""

    def describe_images(self) -> ActionResult:
        self.error_on_dryrun()
        backend, ids = self.ec2_backend, self._get_param("ImageIds", [])
        found = [self._image(each) for each in ids] if ids else list(backend.amis.values())
        owners = {ACCOUNT if each == "self" else each for each in self._get_param("Owners", [])}
        if owners:
            found = [each for each in found if each.owner_id in owners or each.owner_alias in owners]
        if allowed := self._get_param("ExecutableUsers", []):
            found = [each for each in found if ("all" in allowed and each.is_public) or _lets_in(each, allowed)]
        wanted = filters.read_filters(self.params)
        found = filters.apply(found, wanted, IMAGE_FILTERS, lambda each: tags_of(backend, each.id))
        shown, token = paging.page(found, self.params, key=lambda each: each.id, lowest=1)
        return ActionResult({"Images": [_image_view(each) for each in shown], "NextToken": token})

    def _image(self, image_id: str) -> CloudImage:
        if not AMI_ID.match(image_id):
            raise errors.malformed("InvalidAMIID", image_id)
        image = self.ec2_backend.amis.get(image_id)
        if not isinstance(image, CloudImage):
            raise errors.Refusal("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
        return image

    def create_image(self) -> ActionResult:
        """An image of the instance's root disk; the instance reboots unless it is asked not to."""
        instance, name = self._imaged(), self._get_param("Name")
        tags = read_tag_specifications(self._get_param("TagSpecifications", []), ["image", "snapshot"])
        self.error_on_dryrun()
        image = CloudImage(
            self.ec2_backend,
            random_ami_id(),
            local_image=instance.local_image,
            default_user=instance.default_user,
            name=name,
            description=self._get_param("Description") or "",
            virtualization_type="hvm",
            architecture=instance.architecture,
            root_device_name=instance.root_device_name,
            image_location=f"{ACCOUNT}/{name}",
            region_name=f"{self.region}a",
        )
        description = f"Created by CreateImage({instance.id}) for {image.id}"
        snapshot = self.cloud.snapshots.take_root(instance, description, tags.get("snapshot", {}))
        snapshot.from_ami = image.id
        image.hold(snapshot, snapshot.began + snapshot.seconds)
        self.ec2_backend.amis[image.id] = image
        image.add_tags(tags.get("image", {}))
        if instance.now is State.RUNNING and not self._get_bool_param("NoReboot", False):
            self.cloud.life.reboot(instance)
        return ActionResult({"ImageId": image.id})

    def _imaged(self) -> CloudInstance:
        """The instance that CreateImage is about, and whether it and the name will do."""
        instance, name = self.ec2_backend.get_instance(self._get_param("InstanceId")), self._get_param("Name")
        if not name:
            raise errors.missing("Name")
        if any(each.name == name and each.owner_id == ACCOUNT for each in self.ec2_backend.amis.values()):
            raise errors.Refusal("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by another AMI")
        if instance.now not in (State.RUNNING, State.STOPPED):
            raise errors.Refusal("IncorrectInstanceState", f"Instance '{instance.id}' is not 'running' or 'stopped'.")
        mappings = self._get_param("BlockDeviceMappings", [])
        left_out = {each.get("DeviceName") for each in mappings if "NoDevice" in each}
        data = set(instance.block_device_mapping) - {instance.root_device_name}
        if data - left_out:
            text = (
                f"The local cloud makes images of root disks only: {', '.join(sorted(data - left_out))} needs NoDevice"
            )
            raise errors.Refusal("UnsupportedOperation", text)
        found: CloudInstance = instance
        return found

    def deregister_image(self) -> ActionResult:
        image = self._image(self._get_param("ImageId"))
        if image.owner_id != ACCOUNT:
            raise errors.Refusal("AuthFailure", f"Not authorized for image '{image.id}'")
        self.error_on_dryrun()
        image.ebs_snapshot.from_ami = None  # now it can be deleted
        self.ec2_backend.amis.pop(image.id)
        self.ec2_backend.tags.pop(image.id, None)
        return EmptyResult()

    # --- instance types ----------------------------------------------------------------------------------------

    def describe_instance_types(self) -> ActionResult:
        self.error_on_dryrun()
        names = self._get_param("InstanceTypes", [])
        unknown = [each for each in names if not catalog.exists(each)]
        if unknown:
            text = f"The following supplied instance types do not exist: [{', '.join(unknown)}]"
            raise errors.Refusal("InvalidInstanceType", text)
        found = self.ec2_backend.describe_instance_types(names, filters.read_filters(self.params))
        found = [each for each in found if catalog.zones_of(each["InstanceType"], self.region)]
        shown, token = paging.page(
            found, self.params, key=lambda each: str(each["InstanceType"]), highest=100, default=100
        )
        return ActionResult({"InstanceTypes": shown, "NextToken": token})

    def describe_instance_type_offerings(self) -> ActionResult:
        self.error_on_dryrun()
        kind = self._get_param("LocationType") or "region"
        if kind not in INSTANCE_TYPE_OFFERINGS:
            raise errors.invalid_value(kind, "locationType")
        rows = INSTANCE_TYPE_OFFERINGS[kind].get(self.region, [])
        found = filters.apply(rows, filters.read_filters(self.params), OFFERING_FILTERS, lambda row: {})
        shown, token = paging.page(found, self.params, key=lambda row: f"{row['InstanceType']}/{row['Location']}")
        return ActionResult({"InstanceTypeOfferings": shown, "NextToken": token})


def _lets_in(image: CloudImage, allowed: list[str]) -> bool:
    """Whether one of these accounts was given the right to launch it; "self" is ours."""
    accounts = {ACCOUNT if each == "self" else each for each in allowed}
    return any(each.get("UserId") in accounts for each in image.launch_permissions)


def _image_view(image: CloudImage) -> dict[str, Any]:
    view = {
        "ImageId": image.id,
        "Name": image.name,
        "Description": image.description,
        "Architecture": image.architecture,
        "BlockDeviceMappings": image.block_device_mappings,
        "CreationDate": image.creation_date,
        "EnaSupport": True,
        "Hypervisor": "xen",
        "ImageLocation": image.image_location,
        "ImageOwnerAlias": image.owner_alias,
        "ImageType": "machine",
        "ImdsSupport": image.imds_support,
        "OwnerId": image.owner_id,
        "PlatformDetails": "Linux/UNIX",
        "Public": image.is_public,
        "RootDeviceName": image.root_device_name,
        "RootDeviceType": "ebs",
        "SriovNetSupport": "simple",
        "State": image.state,
        "UsageOperation": "RunInstances",
        "VirtualizationType": "hvm",
        "Tags": tag_list(tags_of(image.ec2_backend, image.id)),
    }
    return {name: value for name, value in view.items() if value not in (None, [])}
