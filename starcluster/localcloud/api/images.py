"""The machine images: a few stock ones with stable ids, their SSM parameters, and those made by CreateImage."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import re
import time
from dataclasses import dataclass
from typing import Any

from moto.ec2.models.amis import Ami

from starcluster.localcloud.api import errors
from starcluster.localcloud.api.cloud import Cloud

CANONICAL = "099720109477"
AMAZON = "137112412989"
AMI_ID = re.compile(r"^ami-([0-9a-f]{8}|[0-9a-f]{17})$")
RESOLVE = "resolve:ssm:"
BUILT = datetime.datetime(2026, 10, 1, 6, 0, 0)


@dataclass(frozen=True, kw_only=True)
class StockImage:
    """An image that every cloud has. `local_image` is the hosts' name of it."""

    local_image: str
    architecture: str
    name: str
    parameters: tuple[str, ...]
    owner: str
    default_user: str
    root_device: str

    @property
    def image_id(self) -> str:
        """The same on every cloud and in every year."""
        digest = hashlib.sha256(f"{self.local_image}/{self.architecture}".encode()).hexdigest()
        return f"ami-{digest[:17]}"


UBUNTU = "/aws/service/canonical/ubuntu/server"
AMAZON_LINUX = "/aws/service/ami-amazon-linux-latest"


def _ubuntu(release: str, codename: str, disk: str, architecture: str) -> StockImage:
    debian_name = {"x86_64": "amd64", "arm64": "arm64"}[architecture]
    return StockImage(
        local_image=f"ubuntu-{release}",
        architecture=architecture,
        name=f"ubuntu/images/hvm-ssd-{disk}/ubuntu-{codename}-{release}-{debian_name}-server-20261001",
        parameters=(f"{UBUNTU}/{release}/stable/current/{debian_name}/hvm/ebs-{disk}/ami-id",),
        owner=CANONICAL,
        default_user="ubuntu",
        root_device="/dev/sda1",
    )


def _amazon_linux(architecture: str) -> StockImage:
    kinds = ("al2023-ami-kernel-default", "al2023-ami-kernel-6.1", "al2023-ami-kernel-6.12")
    return StockImage(
        local_image="al2023",
        architecture=architecture,
        name=f"al2023-ami-2023.9.20261001.0-kernel-6.1-{architecture}",
        parameters=tuple(f"{AMAZON_LINUX}/{kind}-{architecture}" for kind in kinds),
        owner=AMAZON,
        default_user="ec2-user",
        root_device="/dev/xvda",
    )


STOCK = tuple(
    image
    for architecture in ("x86_64", "arm64")
    for image in (
        _ubuntu("24.04", "noble", "gp3", architecture),
        _ubuntu("22.04", "jammy", "gp2", architecture),
        _amazon_linux(architecture),
    )
)
PARAMETERS = {name: image.image_id for image in STOCK for name in image.parameters}


class CloudImage(Ami):
    """An image that the hosts can boot. One that was made of an instance has that one's root disk (`root_snapshot`)."""

    root_size_gib = 8
    ebs_snapshot: Any
    root_snapshot = ""
    ready_at = 0.0  # seconds since the epoch

    def __init__(self, backend: Any, image_id: str, *, local_image: str, default_user: str, **options: Any) -> None:
        self.local_image = local_image
        self.default_user = default_user
        super().__init__(backend, image_id, root_device_type="ebs", hypervisor="xen", **options)
        # EC2 marks the newer stock images so: their instances answer IMDSv2 only, unless asked otherwise.
        self.imds_support = None if local_image == "ubuntu-22.04" else "v2.0"

    @property
    def state(self) -> str:
        if self.root_snapshot and self.ebs_snapshot.status == "error":
            return "failed"
        return "pending" if time.time() < self.ready_at else "available"

    @state.setter
    def state(self, value: str) -> None:
        """moto's constructor says available; here time decides."""

    def hold(self, snapshot: Any, ready_at: float) -> None:
        """Boot from this snapshot of a root disk, from that time on."""
        self.ec2_backend.snapshots.pop(self.ebs_snapshot.id, None)  # moto's own, which holds nothing
        self.ebs_snapshot, self.root_snapshot, self.ready_at = snapshot, snapshot.id, ready_at
        self.root_size_gib = snapshot.volume_size

    @property
    def metadata_defaults(self) -> dict[str, Any]:
        """The metadata options of a launch that names none."""
        return {"HttpTokens": "required", "HttpPutResponseHopLimit": 2} if self.imds_support else {}

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        disk = {
            "SnapshotId": self.ebs_snapshot.id,
            "VolumeSize": self.root_size_gib,
            "DeleteOnTermination": True,
            "VolumeType": "gp3",
            "Encrypted": False,
        }
        return [{"DeviceName": self.root_device_name, "Ebs": disk}]


def add_stock(backend: Any, region: str) -> None:
    """Put the stock images into moto's table."""
    for stock in STOCK:
        backend.amis[stock.image_id] = CloudImage(
            backend,
            stock.image_id,
            local_image=stock.local_image,
            default_user=stock.default_user,
            name=stock.name,
            description=f"{stock.local_image} of the local cloud",
            owner_id=stock.owner,
            owner_alias="amazon",
            public=True,
            virtualization_type="hvm",
            architecture=stock.architecture,
            root_device_name=stock.root_device,
            image_location=f"amazon/{stock.name}",
            creation_date=BUILT,
            region_name=f"{region}a",
        )


def add_parameters(ssm: Any) -> None:
    """Put the public parameters that name the stock images into SSM."""
    from moto.ssm.models import Parameter

    ssm._parameters.latest_amis_loaded = True  # moto's own images cannot be booted here
    for name, image_id in PARAMETERS.items():
        ssm._parameters[name].append(
            Parameter(
                account_id=ssm.account_id,
                name=name,
                value=image_id,
                parameter_type="String",
                description=None,
                allowed_pattern=None,
                keyid=None,
                last_modified_date=BUILT,
                version=1,
                data_type="aws:ec2:image",
            )
        )


def resolve(cloud: Cloud, wanted: str | None) -> CloudImage:
    """The image that a launch names by id or by SSM parameter."""
    if not wanted:
        raise errors.missing("ImageId")
    image_id = wanted
    if wanted.startswith(RESOLVE):
        name = wanted.removeprefix(RESOLVE)
        if name not in PARAMETERS:
            raise errors.Refusal("InvalidParameterValue", f"The parameter '{name}' could not be resolved")
        image_id = PARAMETERS[name]
    if not AMI_ID.match(image_id):
        raise errors.malformed("InvalidAMIID", image_id)
    image = cloud.backend.amis.get(image_id)
    if not isinstance(image, CloudImage):
        raise errors.Refusal("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    if image.state != "available":
        raise errors.Refusal("InvalidAMIID.Unavailable", f"The image id '[{image_id}]' is no longer available")
    return image


def inside(address: str, cidr: str) -> bool:
    """Whether an address is one of a range that an instance may have."""
    try:
        network, wanted = ipaddress.IPv4Network(cidr), ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return wanted in network and network[4] <= wanted < network[-1]
