"""The values that the parts of the program hand to each other: no clock, no network, no disk.

EC2's words for EC2's things, StarCluster's words for StarCluster's (alias, master, cluster tag).
Times are aware datetimes in UTC; prices are US dollars an hour; sizes are GiB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class InstanceState(StrEnum):
    """State.Name of DescribeInstances."""

    PENDING = "pending"
    RUNNING = "running"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"
    STOPPING = "stopping"
    STOPPED = "stopped"

    @property
    def is_alive(self) -> bool:
        """It runs or is about to: it can hold a volume, run a command and cost money by the second."""
        return self in (InstanceState.PENDING, InstanceState.RUNNING)

    @property
    def is_in_cluster(self) -> bool:
        """StarCluster's view of who belongs to a cluster: everything that is not gone or going."""
        return self not in (InstanceState.SHUTTING_DOWN, InstanceState.TERMINATED)

    @property
    def is_gone(self) -> bool:
        """It will never run again and holds nothing any more."""
        return self is InstanceState.TERMINATED


class Market(StrEnum):
    SPOT = "spot"
    ON_DEMAND = "on-demand"


class SpotState(StrEnum):
    """State of DescribeSpotInstanceRequests."""

    OPEN = "open"
    ACTIVE = "active"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    DISABLED = "disabled"

    @property
    def is_live(self) -> bool:
        """It may still bring up, or is holding, an instance."""
        return self in (SpotState.OPEN, SpotState.ACTIVE)


class VolumeState(StrEnum):
    CREATING = "creating"
    AVAILABLE = "available"
    IN_USE = "in-use"
    DELETING = "deleting"
    DELETED = "deleted"
    ERROR = "error"


class AttachmentState(StrEnum):
    ATTACHING = "attaching"
    ATTACHED = "attached"
    DETACHING = "detaching"
    DETACHED = "detached"
    BUSY = "busy"


class SnapshotState(StrEnum):
    PENDING = "pending"
    COMPLETED = "completed"
    ERROR = "error"
    RECOVERABLE = "recoverable"
    RECOVERING = "recovering"


class ModificationState(StrEnum):
    """ModificationState of DescribeVolumesModifications."""

    MODIFYING = "modifying"
    OPTIMIZING = "optimizing"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def has_new_size(self) -> bool:
        """The disk has its new size; what optimizing still does is its speed."""
        return self in (ModificationState.OPTIMIZING, ModificationState.COMPLETED)


class Verdict(StrEnum):
    """What to do about a launch error or a spot status code (aws/errors.py has the table)."""

    OK = "ok"
    WAIT = "wait"
    AGAIN = "again"
    ELSEWHERE = "elsewhere"
    TELL_USER = "tell the user"


@dataclass(frozen=True, kw_only=True)
class BlockDevice:
    """One entry of an instance's BlockDeviceMappings."""

    device: str
    volume_id: str
    delete_on_termination: bool = False
    state: str = "attached"

    @property
    def status(self) -> str:
        """boto's name for the state, which old plugins read."""
        return self.state


@dataclass(frozen=True, kw_only=True)
class Instance:
    id: str
    state: InstanceState
    instance_type: str = ""
    image_id: str = ""
    zone: str = ""
    vpc_id: str = ""
    subnet_id: str = ""
    private_ip: str = ""
    public_ip: str = ""
    private_dns: str = ""
    public_dns: str = ""
    key_name: str = ""
    instance_profile: str = ""  # its ARN
    launched: datetime | None = None
    market: Market = Market.ON_DEMAND
    spot_request_id: str = ""
    reason_code: str = ""
    reason_message: str = ""
    transition_reason: str = ""
    client_token: str = ""
    root_device: str = ""
    virtualization: str = "hvm"
    architecture: str = "x86_64"
    kernel_id: str = ""
    ramdisk_id: str = ""
    launch_index: int = 0
    group_ids: tuple[str, ...] = ()
    group_names: tuple[str, ...] = ()
    block_devices: tuple[BlockDevice, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def alias(self) -> str:
        """The node's name in its cluster, as StarCluster tags it."""
        return self.tags.get("alias") or self.tags.get("Name") or ""

    @property
    def address(self) -> str:
        """What a user would ssh to: public DNS, else public IP, else private IP."""
        return self.public_dns or self.public_ip or self.private_ip

    @property
    def data_devices(self) -> tuple[BlockDevice, ...]:
        """The attached volumes that are not the root device."""
        return tuple(device for device in self.block_devices if device.device != self.root_device)


@dataclass(frozen=True, kw_only=True)
class SpotRequest:
    id: str
    state: SpotState
    code: str
    verdict: Verdict = Verdict.WAIT
    message: str = ""
    instance_id: str = ""
    instance_type: str = ""
    image_id: str = ""
    zone: str = ""
    price: float | None = None
    kind: str = "one-time"
    created: datetime | None = None
    launch_group: str = ""
    zone_group: str = ""
    group_ids: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Attachment:
    volume_id: str
    instance_id: str
    device: str
    state: AttachmentState


@dataclass(frozen=True, kw_only=True)
class Volume:
    id: str
    state: VolumeState
    size: int
    zone: str
    kind: str = "gp3"
    iops: int | None = None
    throughput: int | None = None
    encrypted: bool = False
    kms_key: str = ""
    snapshot_id: str = ""
    created: datetime | None = None
    attachments: tuple[Attachment, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.tags.get("Name", "")

    @property
    def holder(self) -> Attachment | None:
        """The attachment that keeps others away, whatever state it is in; None when the volume is free."""
        held = [one for one in self.attachments if one.state is not AttachmentState.DETACHED]
        return held[0] if held else None


@dataclass(frozen=True, kw_only=True)
class VolumeShape:
    """What a volume is asked to be; None and "" leave it to EC2, or as it is."""

    size: int
    kind: str = "gp3"
    iops: int | None = None
    throughput: int | None = None
    encrypted: bool = False
    kms_key: str = ""


@dataclass(frozen=True, kw_only=True)
class Modification:
    """The latest ModifyVolume of a volume; sizes in GiB, progress in per cent."""

    volume_id: str
    state: ModificationState
    size: int
    kind: str = ""
    iops: int | None = None
    throughput: int | None = None
    progress: int = 0
    message: str = ""
    started: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """`size` is the volume's in GiB; `data_bytes` what is stored of it, where EC2 tells."""

    id: str
    state: SnapshotState
    volume_id: str
    size: int
    progress: int = 0
    message: str = ""
    description: str = ""
    encrypted: bool = False
    data_bytes: int | None = None
    started: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.tags.get("Name", "")


@dataclass(frozen=True, kw_only=True)
class ImageDisk:
    """One disk that an image gives its instances."""

    device: str
    snapshot_id: str = ""
    size: int | None = None
    kind: str = ""


@dataclass(frozen=True, kw_only=True)
class Image:
    """`state`: pending, available, failed and more; `block_devices`: the names of all its disks."""

    id: str
    name: str = ""
    architecture: str = "x86_64"
    root_device: str = "/dev/sda1"
    root_device_type: str = "ebs"
    root_size: int | None = None
    virtualization: str = "hvm"
    state: str = "available"
    login_user: str = "ubuntu"
    block_devices: tuple[str, ...] = ()
    disks: tuple[ImageDisk, ...] = ()
    owner: str = ""
    description: str = ""
    created: str = ""
    message: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def snapshot_ids(self) -> tuple[str, ...]:
        return tuple(disk.snapshot_id for disk in self.disks if disk.snapshot_id)


@dataclass(frozen=True, kw_only=True)
class InstanceType:
    name: str
    vcpus: int
    memory_mib: int
    architectures: tuple[str, ...]
    usage_classes: tuple[str, ...]
    virtualizations: tuple[str, ...] = ()
    root_devices: tuple[str, ...] = ()
    gpus: int = 0
    placement_strategies: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    name: str
    fingerprint: str = ""
    kind: str = "rsa"
    public_key: str = ""


@dataclass(frozen=True, kw_only=True)
class Permission:
    """One ingress rule of a security group."""

    protocol: str
    from_port: int
    to_port: int
    cidr: str = ""
    group_id: str = ""
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class SecurityGroup:
    id: str
    name: str
    vpc_id: str = ""
    permissions: tuple[Permission, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Subnet:
    id: str
    vpc_id: str
    zone: str
    cidr: str
    free_addresses: int
    default_for_zone: bool
    public_ips: bool


@dataclass(frozen=True, kw_only=True)
class Zone:
    name: str
    region: str
    state: str = "available"


@dataclass(frozen=True, kw_only=True)
class Bucket:
    name: str
    created: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """An object of a bucket; `size` in bytes."""

    key: str
    size: int
    modified: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class LaunchTemplate:
    """Used as the record of a node's name: its tags are the record (starcluster/cluster/record.py)."""

    id: str
    name: str
    created: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SpotPrice:
    instance_type: str
    zone: str
    price: float
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Where EC2 is asked for a machine."""

    instance_type: str
    zone: str
    market: Market


@dataclass(frozen=True, kw_only=True)
class RootVolume:
    """What a root volume is to be other than the image says; None and "" leave it to the image and EC2."""

    size: int | None = None
    kind: str = ""
    iops: int | None = None
    throughput: int | None = None


@dataclass(frozen=True, kw_only=True)
class LaunchRequest:
    """One RunInstances call. Every resource that it creates carries `tags` from the start."""

    image_id: str
    instance_type: str
    zone: str
    market: Market
    token: str
    tags: Mapping[str, str]
    key_name: str
    group_ids: tuple[str, ...]
    subnet_id: str = ""
    count: int = 1
    max_price: float | None = None
    user_data: bytes = b""
    root_volume: RootVolume = RootVolume()
    instance_profile: str = ""
    public_ip: bool | None = None
    placement_group: str = ""
