"""Machine images by id, by friendly name (through SSM's public parameters), or by the name of an own image."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from starcluster import exception
from starcluster.aws import forms
from starcluster.aws.api import Api
from starcluster.model import Image, ImageDisk

_CANONICAL = "099720109477"
_DEBIAN = "136693071363"
_DEBIAN_ARCHITECTURE = {"x86_64": "amd64", "arm64": "arm64"}
_UBUNTU = "/aws/service/canonical/ubuntu/server/{release}/stable/current/{deb}/hvm/ebs-{disk}/ami-id"
_AMAZON = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{arch}"
_ARCHITECTURES = ("x86_64", "arm64")
_PARAMETERS_AT_ONCE = 10
LOGIN_USER = "@sc-login-user"
_GPU = "/aws/service/deeplearning/ami/{arch}/base-oss-nvidia-driver-gpu-ubuntu-{release}/latest/ami-id"

_DEBIAN_PARAMETER = "/aws/service/debian/release/{release}/latest/{deb}"

FRIENDLY: Mapping[str, str] = {
    "ubuntu-26.04": _UBUNTU.replace("{release}", "26.04").replace("{disk}", "gp3"),
    "ubuntu-24.04": _UBUNTU.replace("{release}", "24.04").replace("{disk}", "gp3"),
    "ubuntu-22.04": _UBUNTU.replace("{release}", "22.04").replace("{disk}", "gp2"),
    "debian-13": _DEBIAN_PARAMETER.replace("{release}", "13"),
    "amazon-linux-2023": _AMAZON,
    "al2023": _AMAZON,
    "ubuntu-24.04-gpu": _GPU.replace("{release}", "24.04"),
    "ubuntu-22.04-gpu": _GPU.replace("{release}", "22.04"),
}


class Images:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, Image] = {}
        self._lock = threading.Lock()

    def resolve(self, name_or_id: str, *, architecture: str = "x86_64") -> Image:
        """The image that the config means; the same name gives the same image as long as we run."""
        with self._lock:  # nodes that are launched side by side mean the same one
            known = self._known.get(f"{name_or_id}/{architecture}")
            if known is None:
                known = self._look_up(name_or_id, architecture)
                self._known[f"{name_or_id}/{architecture}"] = known
            return known

    def _look_up(self, name_or_id: str, architecture: str) -> Image:
        parameter = parameter_name(name_or_id, architecture)
        if parameter:
            return self.get(self._parameter(parameter, name_or_id))
        if name_or_id.startswith("ami-"):
            return self.get(name_or_id)
        return self._own(name_or_id)

    def own(self, *, names: Sequence[str] = ()) -> list[Image]:
        """This account's images, by name."""
        return self._sorted(Owners=["self"], Filters=forms.filters(name=names))

    def executable(self) -> list[Image]:
        """Images of others that this account was given the right to launch, by name."""
        return self._sorted(ExecutableUsers=["self"])

    def stock(self) -> list[tuple[str, Image]]:
        """The images that the friendly names stand for in this region: (friendly name, image)."""
        wanted = {
            parameter_name(name, architecture): name
            for name in reversed(list(FRIENDLY))
            for architecture in _ARCHITECTURES
        }
        ids = self._parameters(list(wanted))
        found = {one.id: one for one in self._describe(Filters=forms.filters(image_id=sorted(set(ids.values()))))}
        known = [(wanted[parameter], found[ids[parameter]]) for parameter in wanted if ids.get(parameter) in found]
        return sorted(known, key=lambda one: (one[0], one[1].architecture))

    def find(self, image_id: str) -> Image | None:
        """The image of that id, None when there is none that we may use."""
        return next(iter(self._describe(Filters=forms.filters(image_id=image_id))), None)

    def get(self, image_id: str) -> Image:
        """The image of that id, or ImageDoesNotExist."""
        found = self.find(image_id)
        if found is None:
            raise exception.ImageDoesNotExist(
                f"image '{image_id}' does not exist in {self._api.access.region}, or you may not use it",
                code="InvalidAMIID.NotFound",
                hint="image ids differ between regions, and old ones are deleted; NODE_IMAGE_ID (or -n, -m, -i) takes a"
                f" name as well: {', '.join(FRIENDLY)}",
            )
        return found

    def create(
        self, instance_id: str, name: str, *, description: str, without: Iterable[str], tags: Mapping[str, str]
    ) -> str:
        """Make an image of a running instance, which goes on; its id. The devices `without` are not in it.

        Tried once: a name is given once in an account, so by it an image is found whose answer was lost.
        """
        answer = self._api.launch(
            "create_image",
            what=f"make an image of {instance_id}",
            InstanceId=instance_id,
            Name=name,
            Description=description,
            NoReboot=True,
            BlockDeviceMappings=[{"DeviceName": device, "NoDevice": ""} for device in without],
            TagSpecifications=forms.tag_specifications(tags, "image", "snapshot"),
        )
        return str(answer["ImageId"])

    def deregister(self, image_id: str) -> None:
        """Have the image no more; its snapshots stay. No error when it is gone."""
        try:
            self._api.change("deregister_image", what=f"deregister {image_id}", ImageId=image_id)
        except exception.NotFoundError:
            return

    def untag(self, ids: Sequence[str], key: str) -> None:
        """Take a tag off an image and its snapshots."""
        self._api.change("delete_tags", what=f"untag {ids[0]}", Resources=list(ids), Tags=[{"Key": key}])

    def _sorted(self, **params: Any) -> list[Image]:
        return sorted(self._describe(**params), key=lambda one: (one.name, one.id))

    def _parameters(self, names: Sequence[str]) -> dict[str, str]:
        """The values of those of the parameters that this region has."""
        values: dict[str, str] = {}
        for start in range(0, len(names), _PARAMETERS_AT_ONCE):
            some = list(names[start : start + _PARAMETERS_AT_ONCE])
            answer = self._api.read("get_parameters", service="ssm", what="look up public images", Names=some)
            values |= {one["Name"]: one["Value"] for one in answer["Parameters"]}
        return values

    def _own(self, name: str) -> Image:
        answers = self._describe(Filters=forms.filters(name=name), Owners=["self"])
        if len(answers) != 1:
            what = "does not exist" if not answers else f"is the name of {len(answers)} images"
            raise exception.ImageDoesNotExist(
                f"image '{name}' {what}",
                hint=f"give an image id (ami-...) or a friendly name: {', '.join(FRIENDLY)}",
            )
        return answers[0]

    def _describe(self, **params: Any) -> list[Image]:
        answers = self._api.pages("describe_images", "Images", what="look up images", **params)
        return [_image(answer) for answer in answers]

    def _parameter(self, parameter: str, name: str) -> str:
        answer = self._api.read("get_parameter", service="ssm", what=f"find the image '{name}'", Name=parameter)
        return str(answer["Parameter"]["Value"])


def parameter_name(name: str, architecture: str) -> str:
    """The SSM public parameter that holds the id of a friendly name; "" when it is not one."""
    if name.startswith("resolve:ssm:"):
        return name.removeprefix("resolve:ssm:")
    if name.startswith("/aws/service/"):
        return name
    form = FRIENDLY.get(name.lower(), "")
    return form.format(arch=architecture, deb=_DEBIAN_ARCHITECTURE.get(architecture, architecture))


def login_user(answer: Mapping[str, Any]) -> str:
    """The user that stock images of this owner or name let in: root comes later, by cloud-config.

    Our own images are tagged with what the image let in that they were made of.
    """
    if user := forms.tags_of(answer).get(LOGIN_USER):
        return user
    words = f"{forms.text(answer, 'Name')} {forms.text(answer, 'Description')}".lower()
    if answer.get("OwnerId") == _DEBIAN or "debian" in words:
        return "admin"
    if answer.get("OwnerId") == _CANONICAL or "ubuntu" in words:
        return "ubuntu"
    return "ec2-user" if any(word in words for word in ("amazon linux", "al2023", "amzn")) else "ubuntu"


def _image(answer: Mapping[str, Any]) -> Image:
    return Image(
        id=answer["ImageId"],
        name=forms.text(answer, "Name"),
        architecture=forms.text(answer, "Architecture") or "x86_64",
        root_device=forms.text(answer, "RootDeviceName") or "/dev/sda1",
        root_device_type=forms.text(answer, "RootDeviceType") or "ebs",
        root_size=_root_size(answer),
        virtualization=forms.text(answer, "VirtualizationType") or "hvm",
        state=forms.text(answer, "State") or "available",
        login_user=login_user(answer),
        block_devices=tuple(forms.text(one, "DeviceName") for one in answer.get("BlockDeviceMappings", ())),
        disks=tuple(_disk(one) for one in answer.get("BlockDeviceMappings", ()) if "Ebs" in one),
        owner=forms.text(answer, "OwnerId"),
        description=forms.text(answer, "Description"),
        created=forms.text(answer, "CreationDate"),
        message=forms.text(answer, "StateReason", "Message"),
        tags=forms.tags_of(answer),
    )


def _root_size(answer: Mapping[str, Any]) -> int | None:
    """How large the image's root volume is, in GiB; None where EC2 does not tell."""
    root = forms.text(answer, "RootDeviceName")
    sizes = (
        one["Ebs"].get("VolumeSize")
        for one in answer.get("BlockDeviceMappings", ())
        if one.get("Ebs") and one.get("DeviceName") == root
    )
    return next(sizes, None)


def _disk(answer: Mapping[str, Any]) -> ImageDisk:
    return ImageDisk(
        device=forms.text(answer, "DeviceName"),
        snapshot_id=forms.text(answer, "Ebs", "SnapshotId"),
        size=answer["Ebs"].get("VolumeSize"),
        kind=forms.text(answer, "Ebs", "VolumeType"),
    )
