"""Instances and volumes with the attributes and methods that boto's had: what `node.ec2` gives to old plugins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starcluster import exception
from starcluster.model import Instance, Volume

if TYPE_CHECKING:
    from starcluster.aws.instances import Instances
    from starcluster.aws.volumes import Volumes

_GROUPS, _DEVICES = "groupSet", "blockDeviceMapping"
_YES_OR_NO = ("disableApiTermination", "disableApiStop", "ebsOptimized", "sourceDestCheck", "enaSupport")
_ATTRIBUTES = (
    *(_GROUPS, _DEVICES, *_YES_OR_NO),
    *("instanceType", "kernel", "ramdisk", "userData", "instanceInitiatedShutdownBehavior", "rootDeviceName"),
    *("productCodes", "sriovNetSupport"),
)
_YES = ("1", "true", "yes", "on")


@dataclass(frozen=True, kw_only=True)
class GroupName:
    """One of an instance's security groups."""

    id: str
    name: str


def moment(when: datetime | None) -> str:
    """A time as EC2 writes it."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z") if when else ""


def _told(name: str) -> property:
    """What the description has under that name."""
    return property(lambda machine: getattr(machine._instance, name))


class Machine:
    """An instance as EC2 described it, under boto's names; its tags and attributes can be changed."""

    ip_address, private_ip_address = _told("public_ip"), _told("private_ip")
    public_dns_name, private_dns_name = _told("public_dns"), _told("private_dns")
    dns_name = public_dns_name
    placement = _placement = _told("zone")
    root_device_name = _told("root_device")
    virtualization_type = _told("virtualization")
    spot_instance_request_id = _told("spot_request_id")
    ami_launch_index = _told("launch_index")
    kernel, ramdisk = _told("kernel_id"), _told("ramdisk_id")

    def __init__(self, instance: Instance, instances: Instances) -> None:
        self._instance, self._instances = instance, instances

    def __repr__(self) -> str:
        return f"Instance:{self._instance.id}"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._instance, name)

    @property
    def launch_time(self) -> str:
        return moment(self._instance.launched)

    @property
    def groups(self) -> list[GroupName]:
        return _groups(self._instance)

    def update(self, validate: bool = False, dry_run: bool = False) -> str:
        """Ask EC2 anew; its state."""
        self._instance = self._instances.get(self._instance.id)
        return str(self._instance.state)

    def add_tag(self, key: str, value: str | None = None) -> None:
        self._instances.tag([self._instance.id], {key: value or ""})

    def remove_tag(self, key: str, value: str | None = None) -> None:
        self._instances.untag([self._instance.id], [key])

    def get_attribute(self, attribute: str, dry_run: bool = False) -> dict[str, Any]:
        """{attribute: value} by EC2's name for it, such as `instanceType`; True and False where it is yes or no.

        Of blockDeviceMapping the devices by their names, of groupSet the groups; user data is base64 as EC2's is.
        """
        name, found = _ec2_name(attribute), self._instance
        if name == _DEVICES:
            return {name: {one.device: one for one in self._instances.get(found.id).block_devices}}
        if name == _GROUPS:
            return {name: _groups(self._instances.get(found.id))}
        return {name: self._instances.attribute(found.id, name)}

    def modify_attribute(self, attribute: str, value: Any, dry_run: bool = False) -> bool:
        """Change one; blockDeviceMapping takes texts such as `/dev/sda1=true` (deleted with the instance or not)."""
        name = _ec2_name(attribute)
        if not dry_run:
            self._instances.modify(self._instance.id, **_parameter(name, value))
        return True


def _groups(instance: Instance) -> list[GroupName]:
    pairs = zip(instance.group_ids, instance.group_names, strict=False)
    return [GroupName(id=id_, name=name) for id_, name in pairs]


def _ec2_name(attribute: str) -> str:
    """boto took `disable_api_termination` as well, and some names in whatever case."""
    known = {name.lower(): name for name in _ATTRIBUTES}
    return known.get(attribute.replace("_", "").lower(), attribute)


def _parameter(name: str, value: Any) -> dict[str, Any]:
    """What ModifyInstanceAttribute takes for it."""
    if name == _GROUPS:
        given = [value] if isinstance(value, str) else value
        return {"Groups": [getattr(one, "id", one) for one in given]}
    if name == _DEVICES:
        given = [value] if isinstance(value, str) else value
        return {"BlockDeviceMappings": [_device(one) for one in given]}
    if name in _YES_OR_NO:
        return {name[0].upper() + name[1:]: {"Value": _is_yes(value)}}
    if name == "userData":
        return {"UserData": {"Value": value.encode() if isinstance(value, str) else value}}
    return {name[0].upper() + name[1:]: {"Value": str(value)}}


def _device(text: str) -> dict[str, Any]:
    device, _, deleted = text.partition("=")
    return {"DeviceName": device, "Ebs": {"DeleteOnTermination": _is_yes(deleted or "true")}}


def _is_yes(value: Any) -> bool:
    return value.strip().lower() in _YES if isinstance(value, str) else bool(value)


@dataclass(frozen=True, kw_only=True)
class AttachData:
    """Who holds a volume; None of everything when nobody does."""

    id: str | None = None
    instance_id: str | None = None
    device: str | None = None
    status: str | None = None


class Disk:
    """A volume as EC2 described it when it was last asked."""

    def __init__(self, volume: Volume, volumes: Volumes) -> None:
        self._volume, self._volumes = volume, volumes

    def __repr__(self) -> str:
        return f"Volume:{self._volume.id}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._volume, name)

    @property
    def id(self) -> str:
        return self._volume.id

    @property
    def size(self) -> int:
        return self._volume.size

    @property
    def status(self) -> str:
        """creating, available, in-use, deleting"""
        return str(self._volume.state)

    @property
    def type(self) -> str:
        return self._volume.kind

    @property
    def create_time(self) -> str:
        return moment(self._volume.created)

    @property
    def attach_data(self) -> AttachData:
        held = self._volume.holder
        if held is None:
            return AttachData()
        return AttachData(id=self._volume.id, instance_id=held.instance_id, device=held.device, status=str(held.state))

    def attachment_state(self) -> str | None:
        return self.attach_data.status

    def volume_state(self) -> str:
        return self.status

    def update(self, validate: bool = False, dry_run: bool = False) -> str:
        """Ask EC2 anew; its status, with which plugins wait for a volume."""
        self._volume = self._volumes.get(self._volume.id)
        return self.status

    def attach(self, instance_id: str, device: str, dry_run: bool = False) -> bool:
        if not dry_run:
            self._volumes.attach(self._volume.id, instance_id, device)
        return True

    def detach(self, force: bool = False, dry_run: bool = False) -> bool:
        if not dry_run:
            self._volumes.detach(self._volume.id, force=force)
        return True

    def delete(self, dry_run: bool = False) -> bool:
        if not dry_run:
            self._volumes.delete(self._volume.id)
        return True

    def add_tag(self, key: str, value: str | None = None, dry_run: bool = False) -> None:
        if not dry_run:
            self._volumes.tag(self._volume.id, {key: value or ""})


def filters_of(given: Mapping[str, Any] | None) -> dict[str, str | list[str]]:
    """boto's filters: values may be texts, numbers, True and False, or lists of them."""
    return {name: _values(value) for name, value in (given or {}).items()}


def _values(value: Any) -> list[str]:
    given = [value] if isinstance(value, str | int | bool) else value
    if not isinstance(given, Iterable):
        raise exception.InvalidOperation(f"'{value}' is no value of a filter")
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in given]
