"""Machine images by id, by friendly name (through SSM's public parameters), or by the name of an own image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starcluster import exception
from starcluster.aws import forms
from starcluster.aws.api import Api
from starcluster.model import Image

_CANONICAL = "099720109477"
_DEBIAN = "136693071363"
_DEBIAN_ARCHITECTURE = {"x86_64": "amd64", "arm64": "arm64"}
_UBUNTU = "/aws/service/canonical/ubuntu/server/{release}/stable/current/{deb}/hvm/ebs-{disk}/ami-id"
_AMAZON = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{arch}"
_GPU = "/aws/service/deeplearning/ami/{arch}/base-oss-nvidia-driver-gpu-ubuntu-{release}/latest/ami-id"

FRIENDLY: Mapping[str, str] = {
    "ubuntu-26.04": _UBUNTU.replace("{release}", "26.04").replace("{disk}", "gp3"),
    "ubuntu-24.04": _UBUNTU.replace("{release}", "24.04").replace("{disk}", "gp3"),
    "ubuntu-22.04": _UBUNTU.replace("{release}", "22.04").replace("{disk}", "gp2"),
    "amazon-linux-2023": _AMAZON,
    "al2023": _AMAZON,
    "ubuntu-24.04-gpu": _GPU.replace("{release}", "24.04"),
    "ubuntu-22.04-gpu": _GPU.replace("{release}", "22.04"),
}


class Images:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, Image] = {}

    def resolve(self, name_or_id: str, *, architecture: str = "x86_64") -> Image:
        """The image that the config means; the same name gives the same image as long as we run."""
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

    def get(self, image_id: str) -> Image:
        """The image of that id, or ImageDoesNotExist."""
        answers = self._describe(Filters=forms.filters(image_id=image_id))
        if not answers:
            raise exception.ImageDoesNotExist(
                f"image '{image_id}' does not exist in {self._api.access.region}, or you may not use it",
                code="InvalidAMIID.NotFound",
                hint=f"image ids differ between regions; friendly names: {', '.join(FRIENDLY)}",
            )
        return answers[0]

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
    """The user that stock images of this owner or name let in: root comes later, by cloud-config."""
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
